"""What a field of a job says about itself, beside its type and default."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

Kind = Literal["result", "form", "run"]

LARGEST = 2**63 - 1  # that TOML, torch and numpy all hold


@dataclass(frozen=True)
class Setting:
    """Stands in the ``Annotated`` type of a job's field.

    Attributes:
        help: The line that ``--help`` and the man page show.
        kind: ``"result"`` decides what the pixels become, ``"form"`` how they are written;
            an output folder belongs to one set of both. ``"run"`` may differ at every start.
        flags: Spelling on the command line where it is not ``--name-of-the-field``.
        argument: Positional, not an option.
        optional: An argument that may be left out.
        metavar: What stands for the value in ``--help``.
        before: What a record that does not know it was made with; its default if not given.
        instead: Settings that cannot stand beside it: what a weaker source says of them, such as a
            preset where this one is a flag, does not count.
    """

    help: str
    kind: Kind = "run"
    flags: tuple[str, ...] = ()
    argument: bool = False
    optional: bool = False
    metavar: str | None = None
    before: Any = None
    instead: tuple[str, ...] = ()


def settings(job: type) -> dict[str, Setting]:
    """What each field of a job says about itself: those of its own before those of its base."""
    hints = get_type_hints(job, include_extras=True)
    own = vars(job)["__annotations__"]
    names = sorted((field.name for field in fields(job)), key=lambda name: name not in own)
    return {name: _setting(hints[name]) for name in names}


def values(job: Any, *kinds: Kind) -> dict[str, Any]:
    """A job's settings of these kinds, fit for JSON and TOML; all of them where none is named."""
    stated = settings(type(job)).items()
    names = [name for name, setting in stated if not kinds or setting.kind in kinds]
    return {name: plain(getattr(job, name)) for name in names}


def changed(job: Any, kind: Kind) -> dict[str, Any]:
    """A job's settings of a kind that differ from their defaults, fit for JSON."""
    usual = defaults(type(job))
    return {n: v for n, v in values(job, kind).items() if n not in usual or v != usual[n]}


def defaults(job: type) -> dict[str, Any]:
    """What a job's settings are where nobody says, fit for JSON; not those that have to be said."""
    known = {field.name: field.default for field in fields(job)}
    return {name: plain(value) for name, value in known.items() if value is not MISSING}


def assumed(job: type) -> dict[str, Any]:
    """What the settings are that the record of an older medclean does not know."""
    earlier = {name: setting.before for name, setting in settings(job).items()}
    return defaults(job) | {name: was for name, was in earlier.items() if was is not None}


def plain(value: Any) -> Any:
    """A value as JSON and TOML know it: paths become text, tuples lists."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def at_least(job: object, **least: int) -> None:
    """See that whole numbers, where they are given, are neither too small nor beyond 64 bits.

    Raises:
        ValueError: One of them, or of several of a setting, is.
    """
    for name, low in least.items():
        value = getattr(job, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and number < low:
                raise ValueError(f"{name} is {number}, expected at least {low}")
            if number is not None and number > LARGEST:
                raise ValueError(f"{name} is {number}, expected at most {LARGEST}")


def _setting(hint: Any) -> Setting:
    return next(extra for extra in get_args(hint) if isinstance(extra, Setting))
