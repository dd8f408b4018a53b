"""A folder of images as cases of patients, and which patients a training may see."""

import csv
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medclean.archive.nifti.read import modality_of as stated_modality
from medclean.archive.nifti.read import read_volume
from medclean.errors import DataError, NothingToDo, UsageError
from medclean.volume import Volume

SPLITS = ("train", "validation", "test")
PARTICIPANTS = "participants.tsv"  # BIDS; a column "split" names the part of a patient
DESCRIPTION = "dataset_description.json"  # BIDS; its License and SourceDatasets go into cards


@dataclass(frozen=True)
class Case:
    """One series of one patient.

    Attributes:
        name: Path of the series relative to the data set's folder.
        patient: Whose it is; cases of one patient never stand in two splits.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``.
        path: The NIfTI file.
        body_part: As its sidecar says, ``""`` where it does not.
    """

    name: str
    patient: str
    modality: str
    path: Path
    body_part: str = ""

    def read(self) -> Volume:
        """The series in real-world units."""
        return read_volume(self.path, self.modality)


@dataclass(frozen=True)
class Dataset:
    """Cases, and what the folder says about all of them.

    Attributes:
        cases: In the order of their names.
        stated: Split by patient where ``participants.tsv`` has a column ``split``.
        description: ``dataset_description.json``, empty where there is none.
        one_patient: Nothing told the patients apart, so that they count as one.
    """

    cases: tuple[Case, ...]
    stated: Mapping[str, str]
    description: Mapping[str, Any]
    one_patient: bool


def find(folder: Path, *, patient: str | None = None, modality: str | None = None) -> Dataset:
    """The series in a folder.

    Args:
        folder: NIfTI files at any depth.
        patient: Regular expression; its first group, found in a file's relative path, is the
            patient. BIDS ``sub-*`` if not given; without either the folder is one patient.
        modality: Of files whose sidecar does not state one.

    Raises:
        UsageError: No such folder, a bad expression, or a modality that nothing states.
        NothingToDo: No image in the folder.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}; expected a data set of NIfTI files")
    paths = [path for path in sorted(folder.rglob("*")) if path.name.endswith((".nii", ".nii.gz"))]
    if not paths:
        raise NothingToDo(f"{folder} holds no NIfTI file (.nii, .nii.gz)")
    names = [path.relative_to(folder).as_posix() for path in paths]
    patients = [_patient(name, patient) for name in names]
    cases = [
        _case(name, path, found or "", modality)
        for name, path, found in zip(names, paths, patients, strict=True)
    ]
    return Dataset(
        tuple(cases), _stated(folder), _json(folder / DESCRIPTION), not any(map(bool, patients))
    )


def split(dataset: Dataset, shares: Mapping[str, float], seed: int) -> dict[str, list[Case]]:
    """Give each patient, with all cases, to one split.

    Patients that the data set assigns by itself stay there. The others come in the order of a
    keyed hash, and each goes to the split with the smallest count / share for its modality, ties
    to train, validation, test in this order: no split is empty from three patients on.

    Args:
        dataset: What ``find`` found.
        shares: Of the patients, by split; a split of share 0 gets none.
        seed: Key of the hash.

    Raises:
        DataError: A split that should have patients has none.
    """
    modality = {case.patient: case.modality for case in reversed(dataset.cases)}
    wanted = [name for name in SPLITS if shares.get(name, 0) > 0]
    home = {patient: dataset.stated[patient] for patient in modality if patient in dataset.stated}
    counts = Counter((modality[patient], name) for patient, name in home.items())
    for patient in sorted(modality.keys() - home.keys(), key=lambda p: _keyed(p, seed)):
        kind = modality[patient]
        home[patient] = min(wanted, key=lambda name: counts[kind, name] / shares[name])
        counts[kind, home[patient]] += 1
    parts = {name: [c for c in dataset.cases if home[c.patient] == name] for name in SPLITS}
    empty = [name for name in wanted if not parts[name]]
    if empty:
        raise DataError(
            f"{_count(len(modality), 'patient')} for {' and '.join(wanted)}: nobody is left for "
            f"{' and '.join(empty)}; name the patients with --patient REGEX or BIDS sub-* folders, "
            f"bring {len(wanted)} or more, or set --validation 0 --test 0"
        )
    return parts


def _patient(name: str, expression: str | None) -> str | None:
    if expression is None:
        found = re.search(r"(?:^|/)sub-([A-Za-z0-9]+)", name)
        return f"sub-{found[1]}" if found else None
    try:
        found = re.search(expression, name)
        return found[1] if found else None
    except (re.error, IndexError) as error:
        raise UsageError(
            f"--patient {expression!r}: {error}; expected a regular expression with a group, "
            "such as '(pat[0-9]+)'"
        ) from None


def _case(name: str, path: Path, patient: str, modality: str | None) -> Case:
    sidecar = _json(path.with_name(re.sub(r"\.nii(\.gz)?$", ".json", path.name)))
    known = stated_modality(path, modality)
    if not known:
        raise UsageError(f"{name} does not state its modality; say --modality MR, CT or PT")
    return Case(name, patient, known, path, str(sidecar.get("BodyPart", "")).lower())


def _stated(folder: Path) -> dict[str, str]:
    """Splits that the data set itself names."""
    path = folder / PARTICIPANTS
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    stated = {row["participant_id"]: row["split"] for row in rows if row.get("split")}
    strange = sorted(set(stated.values()) - set(SPLITS))
    if strange:
        raise DataError(f"{PARTICIPANTS}: split {strange[0]!r}, expected {', '.join(SPLITS)}")
    return stated


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path.name} beside the images is no JSON object: {error}") from None


def _keyed(patient: str, seed: int) -> str:
    return hmac.new(str(seed).encode(), patient.encode(), "sha256").hexdigest()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def modality_of(cases: Iterable[Case]) -> str:
    """The one modality of these cases.

    Raises:
        UsageError: There are several; a network learns one.
    """
    kinds = sorted({case.modality for case in cases})
    if len(kinds) > 1:
        raise UsageError(f"the data set holds {' and '.join(kinds)}; a network learns one of them")
    return kinds[0]


def body_parts(cases: Sequence[Case]) -> list[str]:
    """What the cases show, as far as their sidecars say."""
    return sorted({case.body_part for case in cases} - {""})
