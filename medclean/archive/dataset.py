"""A folder of images as cases of patients, and which patients a training may see."""

import csv
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medclean.archive import formats
from medclean.archive.dicom.parse import parse_header
from medclean.archive.nifti.header import sidecar
from medclean.archive.series import Scan, Series
from medclean.errors import DataError, NothingToDo, UsageError
from medclean.volume import Volume, scale_of

SPLITS = ("train", "validation", "test")
PARTICIPANTS = "participants.tsv"  # BIDS; a column "split" names the part of a patient
DESCRIPTION = "dataset_description.json"  # BIDS; its License and SourceDatasets go into cards
# Terms of Body Part Examined (PS3.16 annex L); another word could be anybody's name.
_TERMS = """
    abdomen abdomenpelvis adrenal ankle aorta aorticarch back bladder brain breast calf carotid
    cerebellum chest chestabdomen chestabdpelvis circleofwillis clavicle coccyx colon coronaryartery
    cspine ctspine ear elbow esophagus extremity eye face femur fibula finger foot forearm
    gallbladder hand head headneck heart hip humerus iac jaw kidney knee larynx liver lowerleg
    lowerlimb lspine lsspine lung mandible maxilla mediastinum neck neckchest neckchestabdomen
    neckchestabdpelv nose orbit ovary pancreas parotid pelvis phantom pharynx placenta prostate
    radius radiusulna rectum retroperitoneum rib scapula sella shoulder sijoint skull spinalcord
    spine spleen sspine sternum stomach testis thigh thoracicaorta thorax thumb thymus thyroid tibia
    tibiafibula tlspine tmj toe tongue trachea trunk tspine ulna upperarm upperlimb uterus
    wholebody wrist
"""
BODY_PARTS = frozenset(_TERMS.split())

_BIDS = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)")


@dataclass(frozen=True)
class Case:
    """A stack of slices of one patient: a NIfTI file, or a group of frames of a DICOM series.

    Attributes:
        name: Path of its file, of a series the first, relative to the data set's folder.
        patient: Whose it is; it may be a tag's value, and is never written anywhere.
        body_part: One of ``BODY_PARTS``, where the sidecar or the first file names it; else ``""``.
        root: The data set's folder.
        series: That it is of.
        group: Index in ``series.groups``.
    """

    name: str
    patient: str
    body_part: str
    root: Path
    series: Series
    group: int = 0

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
    """

    cases: tuple[Case, ...]
    stated: Mapping[str, str]
    description: Mapping[str, Any]
    one_patient: bool

    @property
    def modality(self) -> str:
        """Of all cases."""
        return self.cases[0].modality

    @property
    def body_parts(self) -> list[str]:
        """What the cases show, as far as their files say."""
        return sorted({case.body_part for case in self.cases} - {""})


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
    whose = _by_path(patient)
    known = [series for series in scan.series if not series.bare]
    cases = [case for series in known for case in _cases(root, series, whose)]
    _one_modality(cases)
    stated, description = _stated(root / PARTICIPANTS), _description(root / DESCRIPTION)
    return Dataset(tuple(cases), stated, description, not any(case.patient for case in cases))


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
    counts = Counter(home.values())
    for patient in sorted(patients - home.keys(), key=lambda patient: _keyed(patient, seed)):
        home[patient] = min(wanted, key=lambda name: counts[name] / shares[name])
        counts[home[patient]] += 1
    empty = [name for name in wanted if not counts[name]]
    if empty:
        many = f"{len(patients)} patient{'s'[: len(patients) != 1]}"
        raise DataError(
            f"{many} for {', '.join(wanted)}: nobody is left for {' and '.join(empty)}; bring "
            f"{len(wanted)} patients or more (NIfTI tells them apart by folders sub-* or by "
            "--patient REGEX), or hold nobody out with --validation 0 --test 0"
        )
    return {name: [c for c in dataset.cases if home[c.patient] == name] for name in SPLITS}


def _cases(root: Path, series: Series, whose: Callable[[str], str]) -> Iterable[Case]:
    name = series.instances[0].path
    if series.format == "nifti":
        patient, part = whose(name), str(sidecar(root / name).get("BodyPart", ""))
    else:
        header = parse_header(root / name).data
        patient, part = str(header.get("PatientID", "")), str(header.get("BodyPartExamined", ""))
    part = part.lower() if part.lower() in BODY_PARTS else ""
    for group in range(len(series.groups)):
        yield Case(name, patient, part, root, series, group)


def _by_path(expression: str | None) -> Callable[[str], str]:
    """What finds the patient in a relative path, ``""`` where there is none."""
    try:
        pattern = _BIDS if expression is None else re.compile(expression)
        if not pattern.groups:
            raise re.error("it has no group")
    except re.error as error:
        raise UsageError(
            f"--patient {expression!r}: {error}; expected a regular expression with a group, "
            "such as '(pat[0-9]+)'"
        ) from None

    def patient(path: str) -> str:
        found = pattern.search(path)
        return (found[1] or "") if found else ""

    return patient


def _one_modality(cases: Iterable[Case]) -> None:
    kinds = Counter(case.modality for case in cases)
    if kinds[""]:
        raise UsageError(
            f"{kinds['']} NIfTI files do not state their modality; say --modality MR, CT or PT"
        )
    if len(kinds) > 1:
        found = " and ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        raise UsageError(f"the data set holds {found}; a network learns one modality: part them")


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


def _description(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise DataError(f"{DESCRIPTION} is no JSON object; mend it or take it away") from None


def _keyed(patient: str, seed: int) -> str:
    return hmac.new(str(seed).encode(), patient.encode(), "sha256").hexdigest()
