"""``cases.json``: what a prepared data set holds, and which patients may see what.

``medclean-dataset(5)`` describes it. Nothing in it is a value that could identify: patients,
studies and series are keyed hashes, and what is told of an acquisition is of an allow-list.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medclean.archive.splits import POOLS, dealt
from medclean.errors import DataError, UsageError
from medclean.files import write_whole

CASES = "cases.json"
FORMAT = 1

Entry = dict[str, Any]


@dataclass(frozen=True)
class Cases:
    """The contents of a ``cases.json``.

    Attributes:
        patients: What each was given, by keyed hash: ``split``, and ``fold`` and ``pool`` where
            there are such.
        cases: One entry an image file, in order of their names.
        shares: Of the patients, by split.
        folds: How many folds there are; None where there are none.
        normaliser: What training brings images to its range with, by modality, where that is not
            the usual one.
        description: Licence and sources, as the archive's ``dataset_description.json`` states them.
    """

    patients: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cases: tuple[Entry, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    folds: int | None = None
    normaliser: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> "Cases":
        """What stands in a data set's folder; nothing where there is no such file.

        Raises:
            UsageError: It is of another format.
            DataError: It is damaged, or no file of ours.
        """
        path = root / CASES
        if not path.is_file():
            return cls()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != FORMAT:
                age = "an older" if found["format"] < FORMAT else "a newer"
                raise UsageError(
                    f"{path} has format {found['format']}, and this medclean knows {FORMAT}: "
                    f"{age} one wrote it; use that, or prepare the archive into another folder"
                )
            return cls(
                found["patients"],
                tuple(found["cases"]),
                found["shares"],
                found["folds"],
                found["normaliser"],
                found["description"],
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise DataError(
                f"{path} is damaged, or not of `medclean prepare`; move it away, and the same "
                "command writes it anew"
            ) from None

    def write(self, root: Path) -> None:
        """Put it into a data set's folder.

        Raises:
            WriteError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "description": self.description,
            "shares": self.shares,
            "folds": self.folds,
            "normaliser": self.normaliser,
            "patients": dict(sorted(self.patients.items())),
            "cases": sorted(self.cases, key=lambda entry: str(entry["case"])),
        }
        write_whole(root / CASES, json.dumps(content, indent=1).encode("ascii") + b"\n")

    def begun_anew(self) -> "Cases":
        """What outlives that all is redone: who may see whose images."""
        patients = {patient: {"split": home["split"]} for patient, home in self.patients.items()}
        return Cases(patients)

    def with_cases(self, made: Iterable[Entry], series: Iterable[str]) -> "Cases":
        """The same with what is known now of some series, and all that was known of others.

        Args:
            made: Entries, without what follows from the whole: ``split`` and ``pair``.
            series: Keyed hashes of the series that they are all the cases of.
        """
        anew = set(series)
        kept = (entry for entry in self.cases if entry["series"] not in anew)
        return replace(self, cases=(*kept, *made))

    def with_homes(self, *, unpaired: bool = False) -> "Cases":
        """The same with a split for every patient, and a fold and a pool where asked for.

        New patients come in the order of their keyed hash, and are counted among those who have
        images of the same modality.

        Args:
            unpaired: Deal those that are learnt from into two pools.
        """
        kinds: dict[str, set[str]] = {}
        for entry in self.cases:
            kinds.setdefault(str(entry["patient"]), set()).add(str(entry["modality"]))
        homes = {patient: dict(self.patients.get(patient, {})) for patient in sorted(kinds)}
        _deal(homes, kinds, "split", self.shares)
        if self.folds:
            _deal(homes, kinds, "fold", dict.fromkeys(range(self.folds), 1.0))
        if unpaired:
            learnt = {p: home for p, home in homes.items() if home["split"] == "train"}
            _deal(learnt, kinds, "pool", dict.fromkeys(POOLS, 1.0))
        gone = {patient: home for patient, home in self.patients.items() if patient not in homes}
        cases = tuple({**entry, "split": homes[entry["patient"]]["split"]} for entry in self.cases)
        return replace(self, patients={**gone, **homes}, cases=cases)


def _deal(
    homes: dict[str, dict[str, Any]],
    kinds: Mapping[str, set[str]],
    what: str,
    shares: Mapping[Any, float],
) -> None:
    """Give a home of one sort to each patient who has none, in place."""
    known = [(kinds[p], home[what]) for p, home in homes.items() if what in home]
    new = [(p, kinds[p]) for p, home in homes.items() if what not in home]
    for patient, home in dealt(new, known, shares).items():
        homes[patient][what] = home
