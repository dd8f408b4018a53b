"""Which NIfTI files of a tree can be denoised."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from medclean.archive.nifti.header import (
    ENDINGS,
    SIDECARS,
    Header,
    NoImage,
    is_nifti,
    read_header,
)
from medclean.archive.nifti.read import modality_of
from medclean.archive.series import Affine, Frame, Group, Instance, LeftOut, Scan, Series, key_of
from medclean.errors import DataError
from medclean.volume import UNITS


def scan(
    root: Path, paths: Iterable[str], *, modality: str | None = None, include: Collection[str] = ()
) -> Scan:
    """Read the headers of NIfTI files; each is a series of its own.

    Args:
        root: What the paths are relative to.
        paths: Files of any kind, with ``/``.
        modality: Of files whose sidecar does not state one.
        include: Kinds that are let in, of those that are skipped else: ``"map"`` or ``"all"``.
    """
    series: list[Series] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            series.append(_series(root, path, modality, include))
        except NoImage as error:
            left_out.append(LeftOut(path, "skipped", str(error)))
        except DataError as error:
            left_out.append(LeftOut(path, "failed", str(error)))
    return Scan(tuple(series), tuple(left_out))


def _series(root: Path, name: str, modality: str | None, include: Collection[str]) -> Series:
    path = root / name
    if not is_nifti(path):
        images = (path.with_name(path.stem + ending) for ending in ENDINGS)
        owned = path.suffix in SIDECARS and any(image.is_file() for image in images)
        raise NoImage("copied with the image beside it" if owned else "no NIfTI file")
    header = read_header(path)
    kind = "map" if header.intent else ""
    if kind and not {kind, "all"} & set(include):
        raise NoImage(f"map: intent code {header.intent}, not an image; --include map takes it")
    known = modality_of(path, modality)
    return Series(
        key=key_of(("nifti", name)),
        format="nifti",
        modality=known,
        unit=UNITS.get(known, "au"),
        instances=(Instance(name, header.images, path.stat().st_size, kind=kind),),
        groups=groups(header),
    )


def groups(header: Header) -> tuple[Group, ...]:
    """One group, in order of position; with a time axis one a position, in order of time."""
    shape = (header.rows, header.columns)
    spacing = tuple(float(s) for s in np.linalg.norm(np.array(header.affine)[:3, :3], axis=0))
    if header.frames == 1:
        frames = tuple(Frame(0, number) for number in range(header.positions))
        return (Group(frames, shape, header.affine, spacing),)  # type: ignore[arg-type]  # three
    return tuple(
        Group(
            tuple(Frame(0, time * header.positions + place) for time in range(header.frames)),
            shape,
            _moved(header.affine, place),
            spacing,  # type: ignore[arg-type]  # three
        )
        for place in range(header.positions)
    )


def _moved(affine: Affine, slices: int) -> Affine:
    """The affine of a stack that begins some slices further on."""
    return tuple((*row[:3], row[3] + slices * row[0]) for row in affine)
