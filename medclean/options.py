"""Checked dataclasses from text: ``rician:sigma=0.1`` becomes ``Rician(sigma=0.1)``."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from medclean.errors import UsageError, unknown

T = TypeVar("T")

_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}
_WORDS: dict[Any, dict[str, Any]] = {bool: {"true": True, "false": False}, NoneType: {"none": None}}


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """``"gan:l1=50,net=[unet:width=8]"`` to ``("gan", {"l1": "50", "net": "unet:width=8"})``.

    A value that holds commas or colons stands in brackets, which nest.

    Raises:
        UsageError: The text is not ``name:key=value,key=value``.
    """
    name, _, rest = spec.partition(":")
    values: dict[str, str] = {}
    for pair in split(rest):
        key, equals, value = pair.partition("=")
        if not (key and equals) or key in values:
            raise UsageError(f"{spec!r}: expected name:key=value,key=value, got {pair!r}")
        if value.startswith("[") and value.endswith("]"):
            value = value[1:-1]
        elif ":" in value:
            raise UsageError(f"{spec!r}: write {key}=[{value}], in brackets")
        values[key] = value
    return name, values


def split(text: str, at: str = ",") -> list[str]:
    """Cut a text where ``at`` stands outside brackets; empty parts are left out."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == at and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise UsageError(f"{text!r}: brackets do not match")
    return [part for part in parts if part]


def build(cls: type[T], values: Mapping[str, str], name: str) -> T:
    """Make a dataclass from texts, each turned into its field's type.

    Args:
        cls: A dataclass; its own checks raise ValueError.
        values: Text by field name.
        name: What error messages call it.

    Raises:
        UsageError: An unknown field, a value of another type, or one that the checks refuse.
    """
    types = get_type_hints(cls)
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # T is a dataclass
    made: dict[str, Any] = {}
    for key, text in values.items():
        if key not in known:
            raise unknown("option", key, known, of=name)
        try:
            made[key] = convert(text, types[key])
        except (ValueError, KeyError):
            wanted = expected(types[key])
            raise UsageError(f"{name}: {key} is {text!r}, expected {wanted}") from None
    try:
        return cls(**made)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def spec(name: str, made: Any) -> str:
    """The text that a dataclass could have been made from, with all that is not None.

    Args:
        name: Of the thing.
        made: A dataclass of plain values.
    """
    return written(name, {field.name: getattr(made, field.name) for field in fields(made)})


def written(name: str, values: Mapping[str, Any]) -> str:
    """The text that means a thing with these values; those that are None are left out."""
    pairs = [f"{key}={word(value)}" for key, value in values.items() if value is not None]
    return f"{name}:{','.join(pairs)}" if pairs else name


def over(spec: str, base: str) -> str:
    """A spec with the options of ``base`` that it does not give itself, if both name one thing.

    Raises:
        UsageError: One of them is no spec.
    """
    (name, own), (other, usual) = parse(spec), parse(base)
    if name != other:
        return spec
    return written(name, usual | own)


def convert(text: str, to: Any) -> Any:
    """Text as a value of a type; ValueError or KeyError where it is none."""
    inner = get_args(to)
    if isinstance(to, UnionType):  # the first that fits: none, then numbers, then text
        for arm in sorted(inner, key=lambda arm: (arm is str, arm is not NoneType)):
            with suppress(ValueError, KeyError):
                return convert(text, arm)
        raise ValueError(text)
    if get_origin(to) is tuple:
        return tuple(convert(part, inner[0]) for part in split(text))
    if get_origin(to) is Literal:
        return {str(choice): choice for choice in inner}[text]
    if to in _WORDS:
        return _WORDS[to][text]
    if to is float and not isfinite(float(text)):
        raise ValueError(text)
    return to(text)


def expected(kind: Any) -> str:
    """A type in words, for somebody who gave something else."""
    inner = get_args(kind)
    if isinstance(kind, UnionType):
        return " or ".join(dict.fromkeys(map(expected, inner)))
    if get_origin(kind) is tuple:
        return f"{expected(inner[0])}, or several with commas in brackets"
    if get_origin(kind) is Literal:
        return " or ".join(map(str, inner))
    return _KINDS.get(kind) or " or ".join(_WORDS.get(kind, ("a text",)))


def check_counts(options: Any) -> None:
    """Nothing, if each whole number among the options, and each of several, is at least 1.

    Raises:
        ValueError: One is not, or of several there is none.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        several = value if isinstance(value, tuple) else (value,)
        counts = [each for each in several if isinstance(each, int) and not isinstance(each, bool)]
        if not several or min(counts, default=1) < 1:
            raise ValueError(f"{field.name} is {word(value)}, expected at least 1")


def check_within(low: float, high: float, **values: float) -> None:
    """Nothing, if each value lies within a range, its ends included.

    Raises:
        ValueError: One does not.
    """
    for name, value in values.items():
        if not low <= value <= high:
            up = f"{low:g} to {high:g}" if isfinite(high) else f"at least {low:g}"
            raise ValueError(f"{name} is {value:g}, expected {up}")


def word(value: Any) -> str:
    """A value as a spec has it, in brackets where it would not hold together."""
    if isinstance(value, tuple):
        return f"[{','.join(map(word, value))}]"
    if isinstance(value, str) and set(value) & set(",:"):
        return f"[{value}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
