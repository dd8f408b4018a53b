"""``--config FILE.toml`` and ``--preset NAME``: what a file sets for a command."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from medclean import jobs
from medclean.errors import UsageError, unknown

_PRESETS = Path(__file__).parent.parent / "presets"


def presets() -> list[str]:
    """The named settings that come with medclean."""
    return sorted(path.stem for path in _PRESETS.glob("*.toml"))


def preset(name: str, model: str | None) -> Path:
    """The file of named settings.

    Args:
        name: ``dgan-tiny`` in full, or ``tiny``, which is the model's own where there are several.
        model: As ``--model`` gives it; None where nobody does.

    Raises:
        UsageError: None goes by that name, or several do.
    """
    known = presets()
    own = f"{model.partition(':')[0]}-{name}" if model else name
    meant = [path for path in known if path.endswith(f"-{name}")]
    found = next((path for path in (name, own) if path in known), None)
    if not found and len(meant) > 1:
        raise UsageError(
            f"preset {name!r} could be {' or '.join(meant)}; say which, or the model with --model"
        )
    if not (found or meant):
        raise unknown("preset", name, known)
    return _PRESETS / f"{found or meant[0]}.toml"


def read(path: Path, command: str, settings: Collection[str]) -> dict[str, Any]:
    """The values for a command: what stands above all tables, and then its own table.

    Args:
        path: Of a TOML file; tables of other commands are left alone.
        command: ``"denoise"``.
        settings: The names that it knows.

    Raises:
        UsageError: The file is not there or no TOML, or sets what nobody knows.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a TOML file") from None
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    modules = (name for _, name, _ in iter_modules(jobs.__path__) if not name.startswith("_"))
    commands = [name.replace("_", "-") for name in modules]
    for name in tables:
        if name not in commands:
            raise unknown(f"command in {path}", name, commands)
    values = {key: content[key] for key in content.keys() - tables} | tables.get(command, {})
    for key in values:
        if key not in settings:
            raise unknown("setting", key, settings, of=f"{command} in {path}")
    return values
