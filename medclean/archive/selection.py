"""Which files are asked for: ``SeriesDescription~T2,Modality=MR``.

A comma means and, ``=`` equal, ``~`` a regular expression found anywhere; case is ignored. A name
is a DICOM keyword, a tag in hexadecimal (``0019,100A``) or ``path``. What an element does not state
is an empty text. Of several values, one that fits is enough; so is their whole text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import Literal, TypeAlias

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_dict

from medclean.errors import UsageError

Key: TypeAlias = int | Literal["path"]  # tag as 0x00100010
Facts: TypeAlias = Mapping[Key, Sequence[str]]

PATH: Literal["path"] = "path"
MODALITY = 0x00080060
_NUMERIC = {"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "US or SS"}
_SHOWN = {
    *("SeriesDescription", "ProtocolName", "SequenceName", "Manufacturer", "path"),
    "SOPClassUID",  # any other UID is somebody's
}
_VALUE = r"(?:\\.|\[(?:\\.|[^\]\\])*\]|\{[^}]*\}|[^,\\])*"  # holds commas in [] and {}, and as \,
_CONDITION = re.compile(
    r"\s*(?P<name>\(?(?P<tag>[0-9A-Fa-f]{4},[0-9A-Fa-f]{4})\)?|\w+)\s*(?P<operator>[=~])"
    rf"(?P<value>{_VALUE})(?:,|$)"
)


@dataclass(frozen=True)
class Condition:
    """One element, and what it should say.

    Attributes:
        name: As it was written.
        key: What it names.
        vr: Of that element; ``""`` where the dictionary does not know it.
        operator: ``"="`` or ``"~"``.
        value: A text, or a regular expression.
        told: Whether its value may be told at all.
    """

    name: str
    key: Key
    vr: str
    operator: str
    value: str
    told: bool = True

    def holds(self, facts: Facts) -> bool:
        """Whether a file's facts are so."""
        stated = facts.get(self.key, ())
        texts = (*stated, "\\".join(stated))
        if self.operator == "~":
            return any(re.search(self.value, text, re.IGNORECASE) for text in texts)
        return any(self._equals(text) for text in texts)

    def _equals(self, text: str) -> bool:
        """Numbers are equal however they are written: DS 20.0 and 20."""
        if self.vr in _NUMERIC:
            with suppress(ValueError):
                return float(text) == float(self.value)
        return text.casefold() == self.value.casefold()

    def __str__(self) -> str:
        """As it may be told: without the value of an element that could identify somebody."""
        coded = self.vr in {*_NUMERIC, "CS"} and self.key != PATH and self.key >> 16 != 0x10
        value = self.value if self.told and (coded or self.name in _SHOWN) else "..."
        return f"{self.name}{self.operator}{value}"


@dataclass(frozen=True)
class Expression:
    """Conditions that hold together."""

    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, text: str, *, told: bool = True) -> "Expression":
        """What a user wrote.

        Args:
            text: It.
            told: Whether its values may be told.

        Raises:
            UsageError: It is no expression, or names what no file can state.
        """
        conditions: list[Condition] = []
        at = 0
        while at < len(text) or not conditions:
            found = _CONDITION.match(text, at)
            if not found:
                raise UsageError(
                    f"{text!r}: expected KEYWORD=VALUE or KEYWORD~REGEX, several with commas; a "
                    r"comma inside a value is written \,"
                )
            conditions.append(replace(_condition(found), told=told))
            at = found.end()
        return cls(tuple(conditions))

    def holds(self, facts: Facts) -> bool:
        """Whether all conditions do."""
        return all(condition.holds(facts) for condition in self.conditions)

    def __str__(self) -> str:
        return ",".join(map(str, self.conditions))


@dataclass(frozen=True)
class Selection:
    """Files that one of ``select`` holds for, if there is any, and none of ``exclude``."""

    select: tuple[Expression, ...] = ()
    exclude: tuple[Expression, ...] = ()

    @classmethod
    def of(cls, select: Iterable[str], exclude: Iterable[str], *, told: bool = True) -> "Selection":
        """What ``--select`` and ``--exclude`` say.

        Args:
            select: See the class.
            exclude: Likewise.
            told: Whether a reason may show what they look for.

        Raises:
            UsageError: See ``Expression.of``.
        """
        of = partial(Expression.of, told=told)
        return cls(tuple(map(of, select)), tuple(map(of, exclude)))

    @property
    def tags(self) -> tuple[int, ...]:
        """The elements that have to be read for it."""
        conditions = (c for e in (*self.select, *self.exclude) for c in e.conditions)
        return tuple(sorted({c.key for c in conditions if c.key != PATH}))

    def refusal(self, facts: Facts) -> str:
        """Why a file is not asked for, ``""`` where it is; the reason quotes nothing from it."""
        for expression in self.exclude:
            if expression.holds(facts):
                return f"deselected by --exclude '{expression}'"
        if not self.select or any(expression.holds(facts) for expression in self.select):
            return ""
        return "not selected by " + " or ".join(f"--select '{e}'" for e in self.select)

    def by_path(self) -> "Selection":
        """What paths alone decide: for files that cannot be read, and might be asked for."""
        select = (Expression(tuple(c for c in e.conditions if c.key == PATH)) for e in self.select)
        exclude = (e for e in self.exclude if all(c.key == PATH for c in e.conditions))
        return Selection(tuple(select), tuple(exclude))


EVERYTHING = Selection()


def _condition(found: "re.Match[str]") -> Condition:
    name, operator, value = found["name"], found["operator"], found["value"].strip()
    key = _key(name, found["tag"])
    vr = dictionary_VR(key) if key != PATH and dictionary_has_tag(key) else ""
    if vr == "SQ" or vr.startswith("O"):
        kind = "a sequence" if vr == "SQ" else "binary"
        raise UsageError(f"{name} is {kind}; expected an element that holds text or a number")
    if operator == "=":
        return Condition(name, key, vr, operator, value.replace(r"\,", ","))
    condition = Condition(name, key, vr, operator, value)
    try:
        re.compile(value)
    except re.error as error:
        raise UsageError(f"'{condition}' has no regular expression behind ~: {error}") from None
    return condition


def _key(name: str, tag: str | None) -> Key:
    if tag:
        return int(tag.replace(",", ""), 16)
    if name == PATH:
        return PATH
    if name not in keyword_dict:
        near = get_close_matches(name, (PATH, *keyword_dict), 1)
        hint = f"did you mean {near[0]!r}?" if near else "or write its tag, such as 0019,100A"
        raise UsageError(f"no DICOM keyword {name!r}; {hint}")
    return keyword_dict[name]
