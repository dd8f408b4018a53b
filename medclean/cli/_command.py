"""A command line made from a job: its dataclass says what can be asked, Typer reads it here."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from medclean.catalog import MASKS, METRICS, MODELS, NOISES, SCHEDULES
from medclean.cli import _config
from medclean.errors import Exit, UsageError, WriteError, unknown
from medclean.files import cannot_write
from medclean.jobs._setting import Setting, settings
from medclean.log import printable
from medclean.options import convert, expected, over

_CATALOGS: dict[str, Iterable[str]] = {
    "mask": MASKS,
    "metrics": METRICS,
    "model": MODELS,
    "noise": NOISES,
    "schedule": SCHEDULES,
}
_METAVARS = {int: "N", float: "X", Path: "PATH"}
_VARIABLES = {"MEDCLEAN_CONFIG", "MEDCLEAN_DEBUG"}  # and those of all settings
_SOURCES = ("DEFAULT", "DEFAULT_MAP", "ENVIRONMENT", "COMMANDLINE")  # the strongest last
_MODEL = f"{__name__}.model"  # in the memory of a command line


class _Type(NamedTuple):
    """The type of a field: of one value, what it may be, and whether there may be several."""

    one: Any
    choices: tuple[str, ...]
    many: bool


def command(run: Callable[..., Exit], *, presets: bool = False) -> Callable[..., Exit]:
    """Make a Typer command of a function whose first parameter is a job.

    The command takes each field of the job as an option or argument, the function's other
    parameters as they stand, and ``--config``. A flag goes before the variable
    ``MEDCLEAN_<FIELD>``, that before the config file, that before a preset and the job's default.

    Args:
        run: Carries out the job.
        presets: Whether the command takes ``--preset`` too.
    """
    first, *others = signature(run, eval_str=True).parameters.values()
    job = first.annotation
    hints = get_type_hints(job)
    types = {field.name: _type(hints[field.name]) for field in fields(job)}
    stated = settings(job)

    def read(path: Path) -> dict[str, Any]:
        values = _config.read(path, run.__name__.replace("_", "-"), types)
        return {name: _text(value, types[name]) for name, value in values.items()}

    @wraps(run)
    def made(*, context: typer.Context, preset: str | None = None, **given: Any) -> Exit:
        if preset:  # what --model does not say of its model, the preset does
            of_preset = read(_config.preset(preset, given["model"])).get("model", given["model"])
            given["model"] = over(given["model"], of_preset)
        for name in _outdone(given, stated, lambda name: _rank(context, name)):
            given[name] = _default(defaults[name], types[name])
        more = {other.name: given[other.name] for other in others}
        values = {n: _value(_said(n, stated[n]), given[n], kind) for n, kind in types.items()}
        try:
            asked = job(**values)
        except ValueError as error:
            raise UsageError(str(error)) from None
        return run(asked, **more)

    defaults = {field.name: field.default for field in fields(job)}
    own = [_parameter(name, defaults[name], types[name], said) for name, said in stated.items()]
    files = [_config_option(read, stated), *([_preset_option(read, stated)] if presets else [])]
    about = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
    made.__signature__ = Signature([about, *own, *files, *others])  # type: ignore[attr-defined]  # read by Typer
    made.__doc__ = job.__doc__
    return made


class Command(TyperCommand):
    """A command whose help and variables know texts with blanks, such as expressions.

    What ``--model`` says is known before any option is taken: a preset is found by it, wherever on
    the line the two stand.
    """

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        each: list[Any] = self.params
        for parameter in each:
            parameter.split_envvar_value = str.splitlines
            if parameter.param_type_name == "argument":  # its metavar says what it is
                parameter.display_type_rich = _nothing

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command does, after a first look for the model, and for variables."""
        warn_of_variables(os.environ)
        typed = self.make_parser(ctx).parse_args([*args])[0]
        for parameter in self.params:
            if parameter.name == "model":
                ctx.meta[_MODEL] = parameter.consume_value(ctx, typed)[0]
        return super().parse_args(ctx, args)


def warn_of_variables(environ: Mapping[str, str]) -> None:
    """One line on stderr for each variable that looks like ours and sets nothing."""
    for name in sorted(environ.keys() - _VARIABLES):
        if name.startswith("MEDCLEAN_"):
            known = {known.removeprefix("MEDCLEAN_") for known in _VARIABLES}
            near = get_close_matches(name.removeprefix("MEDCLEAN_"), sorted(known), 1)
            hint = f"did you mean MEDCLEAN_{near[0]}?" if near else "no command has such a setting"
            print(f"warning: {printable(name)} sets nothing; {hint}", file=sys.stderr)


def emit(text: str) -> None:
    """Print a result; a reader who has gone away, as in ``| head``, is no failure.

    Raises:
        WriteError: It cannot be printed.
    """
    try:
        with cannot_write("the result to standard output"):
            print(text, flush=True)
    except WriteError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error.__cause__, BrokenPipeError):
            raise


def _nothing(ctx: object) -> None:
    """In the place of a type in the help."""


def _config_option(
    read: Callable[[Path], dict[str, Any]], stated: Mapping[str, Setting]
) -> Parameter:
    def put(context: typer.Context, path: Path | None) -> Path | None:
        if path:
            context.default_map = _merged(context.default_map or {}, read(path), stated)
        return path

    help_ = "TOML file of settings; MEDCLEAN_<SETTING> variables and flags go before it."
    option = typer.Option(
        help=help_, metavar="FILE.toml", envvar="MEDCLEAN_CONFIG", is_eager=True, callback=put
    )
    return _keyword("config", Path | None, option, None)


def _preset_option(
    read: Callable[[Path], dict[str, Any]], stated: Mapping[str, Setting]
) -> Parameter:
    def put(context: typer.Context, name: str | None) -> str | None:
        if name:
            known = context.default_map or {}
            model = context.meta.get(_MODEL) or known.get("model")
            context.default_map = _merged(read(_config.preset(name, model)), known, stated)
        return name

    option = typer.Option(
        help=f"Named settings that a config file goes before: {', '.join(_config.presets())}.",
        metavar="NAME",
        is_eager=True,
        callback=put,
    )
    return _keyword("preset", str | None, option, None)


def _merged(
    weak: Mapping[str, Any], strong: Mapping[str, Any], stated: Mapping[str, Setting]
) -> dict[str, Any]:
    """What two files say."""
    both = {**weak, **strong}
    outdone = _outdone(both, stated, strong.__contains__)
    return {key: value for key, value in both.items() if key not in outdone}


def _outdone(
    values: Mapping[str, Any], stated: Mapping[str, Setting], rank: Callable[[str], int]
) -> set[str]:
    """The settings in whose stead a stronger source says another."""
    said = [name for name in stated if values.get(name)]
    return {
        other
        for name in said
        for other in stated[name].instead
        if other in said and rank(other) < rank(name)
    }


def _rank(context: typer.Context, name: str) -> int:
    """How strong the source of a setting is."""
    source = context.get_parameter_source(name)
    return _SOURCES.index(source.name) if source else 0


def _default(default: Any, kind: _Type) -> Any:
    """What Typer gives where nobody says anything."""
    return Parameter.empty if default is MISSING else _text(default, kind)


def _keyword(name: str, kind: Any, info: Any, default: Any) -> Parameter:
    annotation = Annotated[kind, info]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _type(hint: Any) -> _Type:
    many = get_origin(hint) is tuple
    arms = [arm for arm in get_args(hint) if arm not in (NoneType, Ellipsis)]
    one = hint if get_origin(hint) is Literal or not arms else arms[0]
    return _Type(one, get_args(one) if get_origin(one) is Literal else (), many)


def _parameter(name: str, default: Any, kind: _Type, setting: Setting) -> Parameter:
    """The parameter that Typer reads; all but switches arrive as text."""
    switch = kind.one is bool
    read: Any = bool if switch else list[str] if kind.many else str | None
    metavar = setting.metavar or "|".join(kind.choices) or _METAVARS.get(kind.one)
    known = kind.choices or (_CATALOGS.get(name) if kind.one is str else None)
    about: dict[str, Any] = {"help": setting.help, "show_default": not switch}
    if known is not None:
        about["autocompletion"] = lambda incomplete: [k for k in known if k.startswith(incomplete)]
    info: Any
    if setting.argument:
        info = typer.Argument(metavar=metavar and metavar.removesuffix("..."), **about)
        default = () if setting.optional else default
    else:
        about["envvar"], about["show_envvar"] = f"MEDCLEAN_{name.upper()}", False
        _VARIABLES.add(about["envvar"])
        info = typer.Option(*setting.flags, metavar=None if switch else metavar, **about)
    return _keyword(name, read, info, _default(default, kind))


def _text(value: Any, kind: _Type) -> Any:
    """A value as it would be typed; switches stay what they are."""
    if kind.many:
        return [str(part) for part in (value if isinstance(value, list | tuple) else [value])]
    return value if value is None or kind.one is bool else str(value)


def _said(name: str, setting: Setting) -> str:
    """How the user calls a setting."""
    if setting.argument and setting.metavar:
        return setting.metavar.removesuffix("...")
    return f"--{name.replace('_', '-')}"


def _value(name: str, given: Any, kind: _Type) -> Any:
    if kind.many:
        return tuple(_convert(name, part, kind) for part in _parts(given, kind))
    return given if given is None or kind.one is bool else _convert(name, given, kind)


def _parts(given: Sequence[str], kind: _Type) -> list[str]:
    """Several values; words from a list and numbers may also come as one text, with commas."""
    if not kind.choices and kind.one in (str, Path):  # which may have commas of their own
        return list(given)
    return [part for text in given for part in text.split(",") if part]


def _convert(name: str, text: str, kind: _Type) -> Any:
    if not text:  # as an unset variable of a script leaves it; a path would mean the current folder
        raise UsageError(f"{name} is empty; expected a value")
    if kind.choices and text not in kind.choices:
        raise unknown(name.removeprefix("--"), text, kind.choices)
    try:
        return convert(text, kind.one)
    except ValueError:
        raise UsageError(f"{name} is {text!r}, expected {expected(kind.one)}") from None
