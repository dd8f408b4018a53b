"""Which NIfTI files of a tree can be denoised."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from medclean.archive.looking import looked_at
from medclean.archive.nifti.header import Header, NoImage, read_header
from medclean.archive.nifti.names import image_of, is_half, is_nifti, no_image
from medclean.archive.nifti.read import modality_of
from medclean.archive.selection import EVERYTHING, MODALITY, PATH, Selection
from medclean.archive.series import Affine, Frame, Group, Instance, LeftOut, Scan, Series, key_of
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.volume import UNITS

BESIDE = "goes with the image beside it"


def scan(
    root: Path,
    paths: Iterable[str],
    workers: Workers,
    *,
    modality: str | None = None,
    include: Collection[str] = (),
    selection: Selection = EVERYTHING,
    of_complex: bool = False,
    progress: Callable[[int], object] = lambda files: None,
) -> Scan:
    """Read the headers of NIfTI files; each is a series of its own.

    Args:
        root: What the paths are relative to.
        paths: Files of any kind, with ``/``.
        workers: Read the headers, and what lies beside them.
        modality: Of files whose sidecar does not state one.
        include: Kinds that are let in, of those that are skipped else: ``"map"``,
            ``"phase"`` or ``"all"``.
        selection: Which of them are asked for, by path and modality: all that these files state.
        of_complex: Take complex images too, as series of the format ``"array"``.
        progress: Called with the number of files that were looked at since.
    """
    here = partial(
        look,
        root,
        modality=modality,
        include=tuple(include),
        selection=selection,
        of_complex=of_complex,
    )
    found = list(looked_at(here, paths, workers, progress))
    left_out = tuple(one for one in found if isinstance(one, LeftOut))
    return Scan(tuple(one for one in found if isinstance(one, Series)), left_out)


def look(
    root: Path,
    paths: Iterable[str],
    *,
    modality: str | None = None,
    include: Collection[str] = (),
    selection: Selection = EVERYTHING,
    of_complex: bool = False,
) -> list[Series | LeftOut]:
    """The series in some files, or why there is none, as in ``scan``; can run in a worker."""
    found: list[Series | LeftOut] = []
    for path in paths:
        try:
            series = _series(root, path, modality, include, of_complex=of_complex)
            if refusal := selection.refusal({PATH: (path,), MODALITY: (series.modality,)}):
                raise NoImage(refusal)
            found.append(series)
        except NoImage as error:
            found.append(LeftOut(path, "skipped", str(error)))
        except DataError as error:
            found.append(LeftOut(path, "failed", str(error)))
    return found


def _series(
    root: Path, name: str, modality: str | None, include: Collection[str], *, of_complex: bool
) -> Series:
    path = root / name
    if is_half(path):
        raise NoImage("half of an image in two files (.hdr, .img); make one .nii of both first")
    if not is_nifti(path):
        raise NoImage(BESIDE if image_of(root, name) else "no NIfTI file")
    header = _header(path, of_complex=of_complex)
    is_complex = header.dtype.kind == "c"
    kind, why = ("map", f"intent code {header.intent}") if header.intent else no_image(path)
    if kind and not {kind, "all"} & set(include):
        raise NoImage(f"{kind}: {why}, not an image; --include {kind} takes it")
    known = modality_of(path, modality)
    return Series(
        key=key_of(("nifti", name)),
        format="array" if is_complex else "nifti",
        modality=known,
        unit=UNITS.get(known, "au"),
        instances=(Instance(name, header.images, path.stat().st_size, kind=kind),),
        groups=_volumes(header) if is_complex else groups(header),
    )


def _header(path: Path, *, of_complex: bool) -> Header:
    """Of real images, and of complex ones where they are wanted."""
    try:
        return read_header(path)
    except NoImage:
        if not of_complex:
            raise
        return read_header(path, of_complex=True)


def _volumes(header: Header) -> tuple[Group, ...]:
    """One group a volume: times, or echoes, of complex images are no neighbours."""
    count, shape = header.positions, (header.rows, header.columns)
    return tuple(
        Group(
            tuple(Frame(0, volume * count + place) for place in range(count)),
            shape,
            header.affine,
            _spacing(header),
        )
        for volume in range(header.frames)
    )


def groups(header: Header) -> tuple[Group, ...]:
    """One group, in order of position; with a time axis one a position, in order of time."""
    shape = (header.rows, header.columns)
    spacing = _spacing(header)
    if header.frames == 1:
        frames = tuple(Frame(0, number) for number in range(header.positions))
        return (Group(frames, shape, header.affine, spacing),)
    return tuple(
        Group(
            tuple(Frame(0, time * header.positions + place) for time in range(header.frames)),
            shape,
            _moved(header.affine, place),
            spacing,
            in_time=True,
        )
        for place in range(header.positions)
    )


def _spacing(header: Header) -> tuple[float, float, float]:
    """Of slices, rows and columns, in mm."""
    sides = np.linalg.norm(np.array(header.affine)[:3, :3], axis=0)
    return float(sides[0]), float(sides[1]), float(sides[2])


def _moved(affine: Affine, slices: int) -> Affine:
    """The affine of a stack that begins some slices further on."""
    return tuple((*row[:3], row[3] + slices * row[0]) for row in affine)
