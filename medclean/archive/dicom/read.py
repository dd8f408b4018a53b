"""One DICOM file as pixels: stored integers, real-world values, and what of them is no image."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isfinite
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import FileDataset

from medclean.archive.dicom import mosaic
from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.glance import Glance, glance_of, taken_apart
from medclean.archive.dicom.headers import Header, detailed, header_of
from medclean.archive.dicom.kinds import modality_of
from medclean.archive.dicom.modality_lut import modality_lut
from medclean.archive.dicom.parse import NotAnImage, Parsed, one_reason, opened_file, parse
from medclean.archive.dicom.pixels import Integers, decode, decode_quickly, refuse_undecodable
from medclean.archive.dicom.stored import (
    declared_padding,
    meaningful,
    padding,
    storable,
)
from medclean.archive.dicom.transcode import Opened
from medclean.archive.dicom.values import Values, scale, unsigned, vendor_scale
from medclean.archive.numbers import Encoding, Pixels
from medclean.archive.series import Series, digest_of
from medclean.errors import DataError


class Found(NamedTuple):
    """A file whose pixels can be decoded, as far as shows without doing it.

    Attributes:
        values: Of its elements.
        header: What a scan sees of it.
        file: Taken apart, if its bytes were enough; else all of its elements as pydicom gives them,
            so also where a table stands for a slope.
    """

    values: Values
    header: Header
    file: Opened | FileDataset


class Decoded(NamedTuple):
    """A file with its pixels.

    Attributes:
        found: The file.
        words: ``(frames, rows, columns)``, with all bits that were decoded.
    """

    found: Found
    words: Integers


def read(root: Path, series: Series, instance: int) -> Pixels:
    """The pixels of one file of a series; can run in a worker.

    Args:
        root: What the paths of the series are relative to.
        series: As the scan gave it, or one of it ``alone``.
        instance: Which of its files.

    Raises:
        DataError: The file cannot be read, is damaged, or its numbers have no meaning that can be
            kept.
    """
    source = series.instances[instance]
    decoded = load(root / source.path)
    return pixels_of(decoded, vendor_units=source.vendor_units, tiles=source.tiles)


def encoding(root: Path, series: Series, instance: int) -> Encoding:
    """What the stored values of one file mean, without decoding them; all but padding.

    It fails where it shows so that ``read`` would, and for the same reason. What no header, item or
    table of offsets tells stays unknown: damage within a codestream.

    Args:
        root: As for ``read``; so are the others.
        series: See there.
        instance: See there.

    Raises:
        DataError: ``read`` would fail.
    """
    source = series.instances[instance]
    path = root / source.path
    with _as_found(), opened_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = mmap(file.fileno(), size, access=ACCESS_READ) if size else b""
        found = _quickly(data, path) or _by_pydicom(parse(path), path)
    refuse_undecodable(found.file, found.header)
    return _encoding(found, vendor_units=source.vendor_units, frames=source.frames)


def load(path: Path) -> Decoded:
    """Read and decode a file.

    Raises:
        DataError: It cannot be read, or it is damaged.
    """
    with _as_found():
        return load_quickly(path) or load_slowly(path)


def load_quickly(path: Path) -> Decoded | None:
    """By the bytes of a file; None where it is odd, or its pixels cannot be decoded so."""
    with opened_file(path) as file:
        found = _quickly(file.read(), path)
    if found is None or not isinstance(found.file, Opened):
        return None
    words = decode_quickly(found.file, found.header)
    return None if words is None else Decoded(found, words)


def load_slowly(path: Path) -> Decoded:
    """By what pydicom makes of it."""
    data = parse(path)
    found = _by_pydicom(data, path)
    return Decoded(found, decode(data, found.header))


def pixels_of(decoded: Decoded, *, vendor_units: bool = False, tiles: int = 0) -> Pixels:
    """What the decoded integers mean.

    Args:
        decoded: As ``load`` gives it.
        vendor_units: Divide real-world values by Philips' RS x SS, so that those of a series with
            several scales compare (see ``values.vendor_scale``).
        tiles: How many tiles of a mosaic show a slice; they become frames. 0 for other images.

    Raises:
        DataError: No slope, or none that can be inverted; or a table that is damaged.
    """
    facts, header, _ = decoded.found
    whole = meaningful(decoded.words, _bits(header))
    stored = mosaic.cut(whole, tiles) if tiles else whole
    means = _encoding(decoded.found, vendor_units=vendor_units, frames=len(stored))
    declared = declared_padding(
        unsigned(facts, "PixelPaddingValue"),
        unsigned(facts, "PixelPaddingRangeLimit"),
        _bits(header),
        signed=header.signed,
    )
    mask, forbidden = padding(stored, modality_of(header), means, declared)
    return Pixels(
        stored=stored,
        padding=mask,
        encoding=replace(means, forbidden=forbidden),
        digest=digest_of(stored),
        syntax=header.syntax,
    )


@contextmanager
def _as_found() -> Iterator[None]:
    try:
        yield
    except NotAnImage as why:
        raise DataError(f"has changed since it was found: {why}") from None


def _quickly(data: bytes | mmap, path: Path) -> Found | None:
    found = taken_apart(data)
    if found is None or found[0].has_lut:
        return None
    seen, opened = found
    return Found(seen.values, _checked(seen, path), opened)


def _by_pydicom(data: FileDataset, path: Path) -> Found:
    with one_reason("cannot be parsed"):
        held = len(data.get("PixelData") or b"")
        seen = glance_of(Parsed(data, "integer" if held else "", held))
    return Found(seen.values, _checked(seen, path), data)


def _bits(header: Header) -> int:
    """Of a stored value: where it does not end at Bits Stored, as in old files, none is cut."""
    return header.stored if header.high == header.stored - 1 else header.allocated


def _encoding(found: Found, *, vendor_units: bool, frames: int) -> Encoding:
    """What stored values mean, but for padding."""
    header, file = found.header, found.file
    ends = storable(_bits(header), signed=header.signed)
    if not isinstance(file, Opened) and (table := modality_lut(file, ends)):
        return Encoding((1.0,) * frames, (0.0,) * frames, *ends, table=table)
    slopes, intercepts = zip(*_scales(found.values, header, vendor_units, frames), strict=True)
    return Encoding(slopes, intercepts, *ends)


def _checked(seen: Glance, path: Path) -> Header:
    """The header of a file whose pixels can be read.

    Raises:
        DataError: They cannot.
    """
    with one_reason("cannot be parsed"):
        header = detailed(header_of(seen, path.name), path)
    if not header.pixels:
        raise DataError("has no pixels that can be found; is it cut off?")
    if header.samples != 1:
        raise DataError(f"has {header.samples} samples a pixel, expected 1")
    if header.broken:
        raise DataError(header.broken)
    return header


def _scales(
    facts: Values, header: Header, vendor_units: bool, frames: int
) -> list[tuple[float, float]]:
    """Slope and intercept of each frame, the identity where there are none (PS3.3 C.11.1).

    Those of its Pixel Value Transformation stand before those of the whole (C.7.6.16.2.9).
    """
    common = _stated(facts, "RescaleSlope", 1.0), _stated(facts, "RescaleIntercept", 0.0)
    scales = []
    for image in header.images or (Image(vendor_scale=vendor_scale(facts)),) * frames:
        slope = common[0] if image.slope is None else image.slope
        intercept = common[1] if image.intercept is None else image.intercept
        if not isfinite(slope + intercept):
            raise DataError("a frame's Rescale Slope or Intercept is no finite number")
        if slope == 0:
            raise DataError(
                "Rescale Slope is 0, so that all pixels mean the same; expected another"
            )
        if vendor_units:
            both = slope * (image.vendor_scale or 1.0)
            slope, intercept = slope / both, intercept / both
        scales.append((slope, intercept))
    return scales


def _stated(facts: Values, keyword: str, absent: float) -> float:
    stated = scale(facts, keyword)
    if stated is None:
        return absent
    if not isfinite(stated):
        raise DataError(f"{keyword} is no finite number")
    return stated
