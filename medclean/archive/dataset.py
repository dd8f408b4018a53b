"""A folder of images as cases of patients, and which patients a training may see."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medclean.archive import formats
from medclean.archive.about import by_path
from medclean.archive.acquisition import body_part
from medclean.archive.cases import Cases, Entry
from medclean.archive.dicom.parse import parse_header
from medclean.archive.nifti.header import sidecar
from medclean.archive.nifti.scan import look
from medclean.archive.series import LeftOut, Scan, Series
from medclean.archive.splits import SPLITS, dealt, keyed, parts_of_fold
from medclean.errors import DataError, NothingToDo, UsageError
from medclean.volume import Volume, scale_of

PARTICIPANTS = "participants.tsv"  # BIDS; a column "split" names the part of a patient
DESCRIPTION = "dataset_description.json"  # BIDS; its License and SourceDatasets go into cards


@dataclass(frozen=True)
class Case:
    """A stack of slices of one patient: a NIfTI file, or a group of frames of a DICOM series.

    Attributes:
        name: Path of its file, of a series the first, relative to the data set's folder.
        patient: Whose it is; it may be a tag's value, and is never written anywhere.
        body_part: A term of DICOM, where the sidecar or the first file names it; else ``""``.
        root: The data set's folder.
        series: That it is of.
        group: Index in ``series.groups``.
        noise: Standard deviation of its noise as a share of its scale, where that is known.
        normaliser: What brings it to a network's range; ``""`` is the usual one of its modality.
        noisy: The noisy one of a pair of which this is the clean one, where pairs are asked for.
    """

    name: str
    patient: str
    body_part: str
    root: Path
    series: Series
    group: int = 0
    noise: float | None = None
    normaliser: str = ""
    noisy: "Case | None" = None

    @property
    def modality(self) -> str:
        """``"MR"``, ``"CT"`` or ``"PT"``."""
        return self.series.modality

    def read(self) -> Volume:
        """The slices in real-world units; padding has the least value of the image.

        Raises:
            DataError: A file cannot be read; the message names its path.
        """
        group = self.series.groups[self.group]
        wanted = dict.fromkeys(frame.instance for frame in group.frames)
        files = {place: formats.read(self.root, self.series, place) for place in wanted}
        array = np.stack([files[f.instance].real[f.number] for f in group.frames])
        padding = np.stack([files[f.instance].padding[f.number] for f in group.frames])
        scale = scale_of(array, self.modality, padding)
        if padding.any() and not padding.all():
            array[padding] = array[~padding].min()
        return Volume(array, np.array(group.affine), self.series.unit, self.modality, scale)


@dataclass(frozen=True)
class Dataset:
    """Cases of one modality, and what their folder says about all of them.

    Attributes:
        cases: In the order of their names.
        stated: Split by patient, where ``participants.tsv`` has a column ``split``.
        description: ``dataset_description.json``, empty where there is none.
        one_patient: Nothing told the patients apart, so that they count as one.
        pools: Clean or noisy, by patient, where the data set has dealt such.
    """

    cases: tuple[Case, ...]
    stated: Mapping[str, str]
    description: Mapping[str, Any]
    one_patient: bool
    pools: Mapping[str, str] = field(default_factory=dict)

    @property
    def modality(self) -> str:
        """Of all cases."""
        return self.cases[0].modality

    @property
    def normaliser(self) -> str:
        """Of all cases."""
        return self.cases[0].normaliser

    @property
    def body_parts(self) -> list[str]:
        """What the cases show, as far as their files say."""
        return sorted({case.body_part for case in self.cases} - {""})


def prepared(
    root: Path, *, modality: str | None = None, fold: int | None = None, pairs: bool = False
) -> Dataset:
    """The cases of a folder that ``medclean prepare`` wrote, with the splits that it recorded.

    The noisy one of a pair is no case: nothing is learnt from it alone.

    Args:
        root: The folder.
        modality: What is wanted, or which of several to take.
        fold: Which fold to hold out, in place of the test split.
        pairs: Take the clean ones of pairs alone, with their noisy ones.

    Raises:
        UsageError: ``cases.json`` is of another format, has other modalities, or no such fold.
        NothingToDo: It has no case.
        DataError: It is damaged, or an image cannot be read.
    """
    known = Cases.read(root)
    if fold is not None and fold not in range(known.folds or 0):
        has = f"{known.folds} folds, from 0 on" if known.folds else "no folds"
        raise UsageError(f"--fold {fold}: {root} has {has}; prepare it with --folds N")
    entries = [e for e in known.cases if not e["noisy"] and (e["pair"] or not pairs)]
    if not entries:
        what, how = ("pair", "; prepare it with --pair-by") if pairs else ("image", "")
        raise NothingToDo(f"{root} holds no {what} that could be learnt from{how}")
    check_modality(modality, root, {entry["modality"] for entry in entries})
    entries = [entry for entry in entries if modality in (None, entry["modality"])]
    cases = tuple(case for entry in entries for case in _recorded(root, entry, known))
    if pairs:
        partners = {entry["case"]: entry for entry in known.cases}
        noisy = [c for e in entries for c in _recorded(root, partners[e["pair"]], known)]
        cases = tuple(replace(c, noisy=n) for c, n in zip(cases, noisy, strict=True))
    _one_modality(cases)
    parts = parts_of_fold(fold, known.folds or 0) if fold is not None else {}
    stated = {
        patient: parts[home["fold"]] if parts else str(home["split"])
        for patient, home in known.patients.items()
    }
    pools = {p: str(home["pool"]) for p, home in known.patients.items() if "pool" in home}
    return Dataset(cases, stated, known.description, False, pools)


def gather(root: Path, scan: Scan, *, patient: str | None = None) -> Dataset:
    """The cases among the series of a folder.

    Args:
        root: The folder that was scanned.
        scan: What was found in it.
        patient: Regular expression; its first group, found in the path of a NIfTI file, is the
            patient. BIDS ``sub-*`` if not given; all NIfTI files without either are one patient.
            A DICOM series has its Patient ID (0010,0020).

    Raises:
        UsageError: A bad expression, a modality that nothing states, or several of them.
        NothingToDo: No image in the folder.
        DataError: No image can be read, or a file about the images is malformed.
    """
    if all(series.bare for series in scan.series):
        broken = [left for left in scan.left_out if left.status == "failed"]
        if broken:
            raise DataError(
                f"all {len(broken)} images of {root} fail; {broken[0].path} first: "
                f"{broken[0].reason}"
            )
        raise NothingToDo(f"{root} holds no MR, CT or PET image, neither DICOM nor NIfTI")
    whose = by_path(patient)
    known = [series for series in scan.series if not series.bare]
    cases = [case for series in known for case in _cases(root, series, whose)]
    _one_modality(cases)
    stated, told = _stated(root / PARTICIPANTS), description(root / DESCRIPTION)
    return Dataset(tuple(cases), stated, told, not any(case.patient for case in cases))


def split(dataset: Dataset, shares: Mapping[str, float], seed: int) -> dict[str, list[Case]]:
    """Give each patient, with all cases, to one split.

    Patients that the data set assigns by itself stay there. The others come in the order of a
    keyed hash, and each goes to the split with the smallest count / share, ties to train,
    validation, test in this order: no split is empty from three patients on.

    Args:
        dataset: Whose patients.
        shares: Of the patients, by split; a split of share 0 gets none.
        seed: Key of the hash.

    Raises:
        DataError: A split that should have patients has none.
    """
    wanted = [name for name in SPLITS if shares.get(name, 0) > 0]
    patients = {case.patient for case in dataset.cases}
    home = {patient: dataset.stated[patient] for patient in patients & dataset.stated.keys()}
    new = sorted(patients - home.keys(), key=lambda patient: keyed(patient, seed))
    order = {name: shares[name] for name in wanted}
    home |= dealt(((p, ("",)) for p in new), ((("",), part) for part in home.values()), order)
    counts = Counter(home.values())
    empty = [name for name in wanted if not counts[name]]
    if empty:
        many = f"{len(patients)} patient{'s'[: len(patients) != 1]}"
        raise DataError(
            f"{many} for {', '.join(wanted)}: nobody is left for {' and '.join(empty)}; bring "
            f"{len(wanted)} patients or more (NIfTI tells them apart by folders sub-* or by "
            "--patient REGEX), or hold nobody out with --validation 0 --test 0"
        )
    return {name: [c for c in dataset.cases if home[c.patient] == name] for name in SPLITS}


def _recorded(root: Path, entry: Entry, known: Cases) -> Iterable[Case]:
    """The stacks of one image of ``cases.json``."""
    path = str(entry["files"]["image"])
    (found,) = look(root, [path], modality=entry["modality"])
    if isinstance(found, LeftOut):
        raise DataError(f"{path}: {found.reason}; prepare the data set again")
    series = replace(found, unit=entry["unit"])
    who = (str(entry["patient"]), str(entry["body_part"]))
    for group in range(len(series.groups)):
        share, normaliser = float(entry["noise_share"]), known.normaliser.get(series.modality, "")
        yield Case(path, *who, root, series, group, share, normaliser)


def _cases(root: Path, series: Series, whose: Callable[[str], str]) -> Iterable[Case]:
    name = series.instances[0].path
    if series.format == "nifti":
        patient, part = whose(name), str(sidecar(root / name).get("BodyPart", ""))
    else:
        header = parse_header(root / name).data
        patient, part = str(header.get("PatientID", "")), str(header.get("BodyPartExamined", ""))
    for group in range(len(series.groups)):
        yield Case(name, patient, body_part(part), root, series, group)


def check_modality(modality: str | None, root: Path, found: Collection[str]) -> None:
    """See that a data set has the images that are wanted.

    Args:
        modality: What is wanted, if anything is.
        root: The data set's folder.
        found: Modalities of its images.

    Raises:
        UsageError: None is of that modality.
    """
    if modality is not None and modality not in found:
        state = " and ".join(sorted(found))
        raise UsageError(
            f"modality {modality}, of --modality or a preset: the images in {root} state that "
            f"they are {state}; say --modality {min(found)}, or name another data set"
        )


def _one_modality(cases: Iterable[Case]) -> None:
    kinds = Counter(case.modality for case in cases)
    if kinds[""]:
        raise UsageError(
            f"{kinds['']} NIfTI files do not state their modality; say --modality MR, CT or PT"
        )
    if len(kinds) > 1:
        found = " and ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        raise UsageError(
            f"the data set holds {found}; a network learns one modality: "
            "part them, or name one with --modality where `medclean prepare` made it"
        )


def _stated(path: Path) -> dict[str, str]:
    """Splits that the data set itself names."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    stated = {row.get("participant_id", ""): row["split"] for row in rows if row.get("split")}
    strange = sorted(set(stated.values()) - set(SPLITS))
    if strange:
        raise DataError(f"{PARTICIPANTS}: split {strange[0]!r}, expected {', '.join(SPLITS)}")
    return stated


def description(path: Path) -> dict[str, Any]:
    """What a ``dataset_description.json`` says; nothing where there is none.

    Raises:
        DataError: It is no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise DataError(f"{DESCRIPTION} is no JSON object; mend it or take it away") from None
