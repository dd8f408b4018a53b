"""What a scan finds, the same for every format. All of it can be pickled."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Affine: TypeAlias = tuple[tuple[float, ...], ...]  # 4 rows of 4


class Alias(NamedTuple):
    """What stands for the path of a file that may not be told."""

    name: str  # in the record
    target: str  # where what is made of it lies


@dataclass(frozen=True)
class Subject:
    """Whom a series shows, as far as its headers say: for de-identification, and never told.

    Attributes:
        patients: What tells them apart; more than one where files are mixed up.
        burned_in: A file says that its pixels show identifying text.
        face: A file says that it shows a head.
    """

    patients: tuple[str, ...] = ()
    burned_in: bool = False
    face: bool = False


@dataclass(frozen=True)
class Instance:
    """One file of a series.

    Attributes:
        path: Relative to the root of the scan, with ``/``; bytes that are no UTF-8 as surrogates.
        frames: Images in it.
        bytes: Size of the file.
        uid: SOP Instance UID, from the file meta where the data set has none; ``""`` in NIfTI.
        sop_class: SOP Class UID, likewise.
        kind: ``""``, or the word of ``--include`` that let it in.
        occurrence: 0; k for the k-th further file of the whole scan, by path, with the same UID.
        repaired: The source has an empty or missing Type 1 UID, which was made good.
        passed: Its images, by number, that go through unchanged, as they are of other kinds.
        tiles: How many tiles of a mosaic show a slice; its images are tiles. 0 for other files.
        bare: Why it does not say what its images are, a multi-frame object or a mosaic; ``""`` for
            all that do.
        vendor_units: Its real-world values are those of Philips, DV / (RS x SS), because the
            images of its series differ in scale.
        notes: What is odd about it, and harmless; for the manifest.
        alias: Stands for its path, which nobody may learn.
    """

    path: str
    frames: int
    bytes: int
    uid: str = ""
    sop_class: str = ""
    kind: str = ""
    occurrence: int = 0
    repaired: bool = False
    passed: tuple[int, ...] = ()
    tiles: int = 0
    bare: str = ""
    vendor_units: bool = False
    notes: tuple[str, ...] = ()
    alias: Alias | None = None

    @property
    def name(self) -> str:
        """What journal, manifest and messages call it: its path, unless that could identify."""
        return self.alias.name if self.alias else self.path

    @property
    def target(self) -> str:
        """Where what is made of it lies, relative to the output folder: at its path, likewise."""
        return self.alias.target if self.alias else self.path


@dataclass(frozen=True)
class Frame:
    """One image: which instance of the series it is in, and the how-manieth there, from 0."""

    instance: int
    number: int = 0


@dataclass(frozen=True)
class Group:
    """Frames that are computed together; a frame's neighbours never lie outside its group.

    Attributes:
        frames: In order of position along the normal, or of time where they share a position.
        shape: Rows and columns.
        affine: (slice, row, column, 1) to patient coordinates (LPS) in mm.
        spacing: Of slices, rows and columns, in mm.
        in_time: The frames follow each other in time, at one position.
        first: Place of its first frame in its stack, from 1: what is missing has places, too.
        places: How many the stack has; 0 where it is the group.
        even: Its frames lie where the affine says; it follows from the first and the last of them.
    """

    frames: tuple[Frame, ...]
    shape: tuple[int, int]
    affine: Affine
    spacing: tuple[float, float, float]
    in_time: bool = False
    first: int = 1
    places: int = 0
    even: bool = True


@dataclass(frozen=True)
class Series:
    """Images that become one derived series.

    Attributes:
        key: 16 hex digits that name the series in the journal, at every start alike.
        format: What reads and writes it.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``; ``""`` where it is none of them.
        unit: Of the real-world values: ``"HU"``, ``"Bq/ml"`` or ``"au"``.
        instances: Its files, by path.
        groups: All their frames, each in one group.
        study_uid: Made from other attributes where the source has none; so is ``series_uid``.
        series_uid: Of the source.
        number: Series Number of the source.
        derived_number: Series Number that the derived series gets, free in the whole scan.
        residual_number: That the series of what was removed gets, if it is written.
        notes: What is odd about how its images lie, without any value from a file.
        subject: Whom it shows.
        origin: The key that it had, where nobody may learn that; else ``""``.
    """

    key: str
    format: Literal["dicom", "nifti", "array", "segmentation"]
    modality: str
    unit: str
    instances: tuple[Instance, ...]
    groups: tuple[Group, ...]
    study_uid: str = ""
    series_uid: str = ""
    number: int | None = None
    derived_number: int | None = None
    residual_number: int | None = None
    notes: tuple[str, ...] = ()
    subject: Subject = Subject()
    origin: str = ""

    @property
    def seed(self) -> int:
        """Of what is drawn at random for it, under whatever key."""
        return int(self.origin or self.key, 16)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The words of ``--include`` that let some of its instances in, sorted."""
        return tuple(sorted({instance.kind for instance in self.instances} - {""}))

    @property
    def bare(self) -> str:
        """Why one of its instances does not say what its images are; ``""`` where all do."""
        return next((instance.bare for instance in self.instances if instance.bare), "")

    @property
    def fingerprint(self) -> str:
        """Of its sources, as far as their headers show: another one makes it another series."""
        prints = (f"{i.name} {i.bytes} {i.uid} {i.passed or ''}".rstrip() for i in self.instances)
        return key_of(prints)

    def without(self, instances: Collection[int]) -> "Series":
        """The series without these files: their frames are gaps, on which a group breaks in two."""
        kept = [place for place in range(len(self.instances)) if place not in instances]
        moved = {place: new for new, place in enumerate(kept)}
        parts = []
        for group in self.groups:
            places = group.places or len(group.frames)
            numbered = enumerate(group.frames, group.first)
            for stays, part in groupby(numbered, lambda frame: frame[1].instance in moved):
                if stays:
                    numbers, frames = zip(*part, strict=True)
                    left = tuple(replace(frame, instance=moved[frame.instance]) for frame in frames)
                    parts.append(replace(group, frames=left, first=numbers[0], places=places))
        return replace(
            self, instances=tuple(self.instances[place] for place in kept), groups=tuple(parts)
        )

    def place(self, instance: int) -> str:
        """Where in its stack the only image of a file lies; ``""`` where that says nothing.

        Args:
            instance: Which of the files.
        """
        alone = self.instances[instance].frames == 1
        for group in self.groups if alone else ():
            of = group.places or len(group.frames)
            for number, frame in enumerate(group.frames, group.first):
                if frame.instance == instance:
                    return f"place {number} of {of}" if of > 1 else ""
        return ""

    def alone(self, instance: int) -> "Series":
        """The series with one of its files, as index 0: little to send to a worker process."""
        return replace(self, instances=(self.instances[instance],), groups=())


@dataclass(frozen=True)
class LeftOut:
    """A path that gives no image, and why; the reason quotes nothing from inside the file.

    Attributes:
        path: As in ``Instance``.
        status: Whether it should give one.
        reason: Why not.
        stays: Not to be copied whatever is asked: no regular file, or one that would lie elsewhere
            what it says no more.
    """

    path: str
    status: Literal["skipped", "failed"]
    reason: str
    stays: bool = False


@dataclass(frozen=True)
class Scan:
    """Every path of a scan once: in a series, or left out.

    Attributes:
        series: Of the images that can be denoised.
        left_out: All else.
        located: Study and Series Instance UID of localizers, by SOP Instance UID: images refer to
            them.
    """

    series: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]
    located: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def without_bare(self, why: str) -> "Scan":
        """Files that do not say what their images are left out, where others of their series do.

        Args:
            why: They are not taken then.
        """
        left_out, series = list(self.left_out), []
        for one in self.series:
            bare = {place: file for place, file in enumerate(one.instances) if file.bare}
            some = len(bare) < len(one.instances)
            series.append(one.without(bare) if some else one)
            for file in bare.values() if some else ():
                left_out.append(LeftOut(file.name, "skipped", f"{file.bare}: {why}"))
        return replace(self, series=tuple(series), left_out=tuple(left_out))


def key_of(parts: Iterable[str]) -> str:
    """16 hex digits from texts, which no other texts share."""
    raw = [part.encode("utf-8", "surrogateescape") for part in parts]
    return sha256(b"".join(len(part).to_bytes(8, "big") + part for part in raw)).hexdigest()[:16]


def digest_of(array: NDArray[np.generic]) -> str:
    """SHA-256 of an array's values, little-endian and in C order, as hex."""
    flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return sha256(flat.view(np.uint8).data).hexdigest()
