"""One DICOM file as pixels: stored integers, real-world values, and what of them is no image."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import FileDataset

from medclean.archive.dicom.headers import Header, header_of
from medclean.archive.dicom.kinds import modality_of
from medclean.archive.dicom.modality_lut import modality_lut
from medclean.archive.dicom.parse import NotAnImage, Parsed, one_reason, parse
from medclean.archive.dicom.pixels import Integers, decode
from medclean.archive.dicom.stored import (
    declared_padding,
    meaningful,
    padding,
    storable,
)
from medclean.archive.dicom.values import Values, number, text, unsigned, values, vendor_scale
from medclean.archive.numbers import Encoding, Pixels
from medclean.archive.series import Series, digest_of
from medclean.errors import DataError


class Decoded(NamedTuple):
    """A file with its pixels.

    Attributes:
        data: All of its elements.
        header: What a scan sees of it.
        words: ``(frames, rows, columns)``, with all bits that were decoded.
    """

    data: FileDataset
    header: Header
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
    return pixels_of(load(root / source.path), vendor_units=source.vendor_units)


def load(path: Path) -> Decoded:
    """Read and decode a file.

    Raises:
        DataError: It cannot be read, or it is damaged.
    """
    try:
        data = parse(path)
        with one_reason("cannot be parsed"):
            held = len(data.get("PixelData") or b"")
            header = header_of(Parsed(data, "integer" if held else "", held), path.name)
    except NotAnImage as why:
        raise DataError(f"has changed since it was found: {why}") from None
    if not header.pixels:
        raise DataError("has no pixels that can be found; is it cut off?")
    if header.samples != 1:
        raise DataError(f"has {header.samples} samples a pixel, expected 1")
    if header.broken:
        raise DataError(header.broken)
    return Decoded(data, header, decode(data, header))


def pixels_of(decoded: Decoded, *, vendor_units: bool = False) -> Pixels:
    """What the decoded integers mean.

    Args:
        decoded: As ``load`` gives it.
        vendor_units: Divide real-world values by Philips' RS x SS, so that those of a series with
            several scales compare (see ``values.vendor_scale``).

    Raises:
        DataError: No slope, or none that can be inverted; or a table that is damaged.
    """
    header, facts = decoded.header, values(decoded.data)
    # Where the value does not end at Bits Stored, as in old files, no bit is taken away.
    bits = header.stored if header.high == header.stored - 1 else header.allocated
    stored = meaningful(decoded.words, bits)
    ends = storable(bits, signed=header.signed)
    if table := modality_lut(decoded.data, ends):
        encoding = Encoding((1.0,) * header.frames, (0.0,) * header.frames, *ends, table=table)
    else:
        encoding = _encoding(facts, header, ends, vendor_units)
    declared = declared_padding(
        unsigned(facts, "PixelPaddingValue"),
        unsigned(facts, "PixelPaddingRangeLimit"),
        bits,
        signed=header.signed,
    )
    mask, forbidden = padding(stored, modality_of(header), encoding, declared)
    return Pixels(
        stored=stored,
        padding=mask,
        encoding=replace(encoding, forbidden=forbidden),
        digest=digest_of(stored),
        syntax=header.syntax,
    )


def _encoding(facts: Values, header: Header, ends: tuple[int, int], vendor_units: bool) -> Encoding:
    """Slope and intercept of Modality LUT (PS3.3 C.11.1), the identity where there are none."""
    slope, intercept = _stated(facts, "RescaleSlope", 1.0), _stated(facts, "RescaleIntercept", 0.0)
    if slope == 0:
        raise DataError("Rescale Slope is 0, so that all pixels mean the same; expected another")
    if vendor_units:
        scale = slope * (vendor_scale(facts) or 1.0)
        slope, intercept = slope / scale, intercept / scale
    return Encoding((slope,) * header.frames, (intercept,) * header.frames, *ends)


def _stated(facts: Values, keyword: str, absent: float) -> float:
    if not text(facts, keyword):
        return absent
    stated = number(facts, keyword)
    if stated is None:
        raise DataError(f"{keyword} is no finite number")
    return stated
