"""Files that mean harm, each with what should become of it: a line in the journal, and no more.

``STUDY`` is what a tree of them holds; ``make`` writes one. The valid ones among them have names
or identifiers that should lead nowhere.
"""

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

import dicoms
from medclean.archive.dicom.elements import Changes, Elements, Encoded, Item, Value, element

HUGE = 4096  # rows and columns: 32 MiB of 16 bits
OVERLAY = {0x60000010: ("US", b"\xff\xff"), 0x60000011: ("US", b"\xff\xff")}
OVERLAY |= {0x60000050: ("SS", b"\xff\x7f\0\x80"), 0x60003000: ("OW", b"few.")}
MOSAIC = {0x00190010: ("LO", b"SIEMENS MR HEADER"), 0x0019100A: ("IS", b"1000000000")}
TYPE = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
ESCAPE = "../../../../tmp/medclean-escaped"
_DEEP = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"  # SQ, item: no end


class Hostile(NamedTuple):
    """A file that means harm.

    Attributes:
        make: Writes it.
        status: What should become of it.
        reason: Regular expression that its reason matches.
    """

    make: Callable[[Path], object]
    status: str
    reason: str = ""


def with_elements(path: Path, **changes: "Value | None") -> None:
    """A valid image of a series of its own, with some elements as they are given, byte by byte."""
    with_tags(path, dict(changes))


def own_series(path: Path) -> str:
    """A word for the series that a file is in."""
    return ascii(path.name)[:30]


def later(make: Callable[..., object]) -> Callable[..., Callable[[Path], object]]:
    """A function of a path and more, told the more first."""
    return lambda *more, **named: lambda path: make(path, *more, **named)


def saved(data: dicoms.Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    """Write it, without a Series Number: series here are words."""
    dicoms.save(data, path, syntax)


def with_tags(path: Path, changes: "Changes", **of_image: object) -> None:
    """Likewise, by tag."""
    saved(dicoms.image(series=own_series(path), **of_image), path)
    patch(path, changes)


def patch(path: Path, changes: "Changes") -> None:
    """Replace elements of an explicit little-endian file; nothing checks them."""
    head, data = parted(path)
    path.write_bytes(head + Elements(data, 0, len(data)).patched(changes))


def parted(path: Path) -> tuple[bytes, bytes]:
    """Preamble with file meta, and the data set."""
    content = path.read_bytes()
    end = Elements(content, 132, len(content)).before(0x00030000).end
    return content[:end], content[end:]


def before_pixels(path: Path, inserted: bytes) -> None:
    """A valid image with bytes put before its Pixel Data."""
    with_elements(path)
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\0OW")
    path.write_bytes(content[:at] + inserted + content[at:])


def deflated_bomb(path: Path, *, pixels: bool) -> None:
    """1 MiB that inflates to 1 GiB, in its pixels or in a value before them."""
    saved(dicoms.image(series=own_series(path)), path, DeflatedExplicitVRLittleEndian)
    head, packed = parted(path)
    data = zlib.decompress(packed, -zlib.MAX_WBITS)
    if pixels:
        changes = {"Rows": HUGE, "Columns": HUGE, "NumberOfFrames": "32", "PixelData": None}
        data = Elements(data, 0, len(data)).patched(changes)
        data += struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 1 << 30)
    else:
        at = data.index(b"\xe0\x7f\x10\0OW")
        data = data[:at] + struct.pack("<HH2sHL", 0x5400, 0x1010, b"OB", 0, 1 << 30)
    stream = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    begin = stream.compress(data) + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(bytes(1 << 26)) + stream.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(head + begin + block * 16 + stream.flush())


def codec_bomb(path: Path, syntax: UID, patches: dict[int, int], **changes: "Value") -> None:
    """A frame whose own header claims what it has not; integers of 32 (JPEG-LS: 16) bits."""
    data = dicoms.image(dicoms.pattern((32, 32)), series=own_series(path))
    saved(data, path, syntax)
    start = data.PixelData.index(b"\xff\x4f" if syntax == JPEG2000Lossless else b"\xff\xd8")
    frame = bytearray(data.PixelData[start:])
    for at, value in patches.items():
        struct.pack_into(">L" if syntax == JPEG2000Lossless else ">H", frame, at, value)
    with_frame(path, bytes(frame), **changes)


def with_frame(path: Path, frame: bytes, **changes: "Value") -> None:
    """The file with another compressed frame."""
    pixels = encapsulate([frame], has_bot=False)
    whole = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + pixels
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    patch(path, {"PixelData": None, **changes})
    path.write_bytes(path.read_bytes() + whole + end)


def compressed(path: Path, syntax: UID, frame: bytes, **changes: "Value") -> None:
    """A compressed image whose frame is this."""
    saved(dicoms.image(series=own_series(path)), path)
    content = path.read_bytes()
    head, data = parted(path)
    meta = Elements(content, 132, len(head))
    path.write_bytes(content[:132] + meta.patched({"TransferSyntaxUID": str(syntax)}) + data)
    with_frame(path, frame, **changes)


def rle(segments: int, offset: int, body: bytes) -> bytes:
    """An RLE frame (PS3.5 G.5) with a header that states what it likes."""
    return struct.pack("<16L", segments, *[offset] * 15) + body


def nifti(path: Path, shape: tuple[int, ...], zeros: int, **fields: tuple[int, str, float]) -> None:
    """A gzip stream of a NIfTI header, 16 bits a voxel, and some zeros behind it."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into(f"<{1 + len(shape)}h", head, 40, len(shape), *shape)
    struct.pack_into("<hh", head, 70, 4, 16)
    struct.pack_into("<4f", head, 76, 1, 1, 1, 1)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    head[344:348] = b"n+1\0"
    for at, form, value in fields.values():
        struct.pack_into(form, head, at, value)
    with gzip.open(path, "wb", 9) as stream:
        stream.write(head)
        for _ in range(zeros >> 24):
            stream.write(bytes(1 << 24))


def beside_a_nifti(path: Path, sidecar: bytes) -> None:
    """A valid NIfTI file, and what lies beside it."""
    nifti(path, (8, 8, 3), 0)
    content = gzip.decompress(path.read_bytes()) + bytes(8 * 8 * 3 * 2)
    path.write_bytes(gzip.compress(content))
    path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_bytes(sidecar)


def archive(path: Path, *, tar: bool = False) -> None:
    """A zip or tar file with an image that would be unpacked elsewhere."""
    image = io.BytesIO()
    dicoms.image().save_as(image, enforce_file_format=True)
    if tar:
        with tarfile.open(path, "w") as packed:
            member = tarfile.TarInfo(ESCAPE)
            member.size = len(image.getvalue())
            packed.addfile(member, io.BytesIO(image.getvalue()))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(f"{ESCAPE}.dcm", image.getvalue())
            packed.writestr("zeros", bytes(1 << 24))


def escaping(path: Path) -> None:
    """A valid image whose identifiers are paths."""
    words = ESCAPE.encode()
    keywords = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    texts = ("SeriesDescription", "PatientID", "PatientName", "StudyID", "AccessionNumber")
    with_elements(path, **dict.fromkeys((*keywords, *texts), words))


def directory(path: Path) -> None:
    """A DICOMDIR that names files outside."""
    item = dicoms.Dataset()
    item.ReferencedFileID = [*ESCAPE.split("/"), "etc", "passwd"]
    data = dicoms.image(SOPClassUID=MediaStorageDirectoryStorage)
    data.DirectoryRecordSequence = [item]
    saved(data, path)


def many_elements(path: Path) -> None:
    """Many empty elements, out of order and all alike."""
    before_pixels(path, element(0x00091001, ("LO", b""), explicit=True) * 200_000)


def frames_of_a_pixel(path: Path, frames: int) -> None:
    """As many frames as there are bytes."""
    saved(dicoms.image(np.zeros((frames, 1, 1), np.uint8), bits=8, series=own_series(path)), path)


def named(path: Path) -> None:
    """A valid image; it is its name that is odd."""
    saved(dicoms.image(series=own_series(path)), path)


def study() -> dict[str, Hostile]:
    """What a hostile tree holds, by file name."""
    own, codec, packed, image = map(later, (with_elements, codec_bomb, compressed, nifti))
    return {
        # What inflates
        "bomb-in-pixels": Hostile(
            partial(deflated_bomb, pixels=True), "failed", "--limits inflated"
        ),
        "bomb-before-pixels": Hostile(partial(deflated_bomb, pixels=False), "failed", "inflate"),
        "bomb.nii.gz": Hostile(image((8, 8, 3), 1 << 27), "failed", "far more"),
        "bomb-announced.nii.gz": Hostile(image((32000, 32000, 20), 1 << 24), "failed", "claims"),
        "gzipped.dcm": Hostile(
            lambda p: p.write_bytes(gzip.compress(bytes(1 << 24))), "skipped", "not DICOM"
        ),
        # What nests
        "nested": Hostile(partial(before_pixels, inserted=_DEEP * 5000), "failed", "nested"),
        "nested-in-un": Hostile(
            partial(before_pixels, inserted=nested_in_un(5000)), "failed", "nested"
        ),
        "nested-shut": Hostile(partial(before_pixels, inserted=nested_shut(5000)), "done"),
        "nested-100": Hostile(partial(before_pixels, inserted=nested_shut(100)), "done"),
        "nested.nii.gz": Hostile(
            partial(beside_a_nifti, sidecar=b"[" * 200_000), "failed", "no JSON object"
        ),
        "long-sidecar.nii.gz": Hostile(
            partial(beside_a_nifti, sidecar=b'{"Modality": "' + b"x" * (1 << 24) + b'"}'),
            "failed",
            "16 MiB",
        ),
        # Lengths and sizes that are lies
        "length-4-gib": Hostile(own(PixelData=lie(0xFFFFFFFE)), "failed", "cut off|memory"),
        "length-of-a-text": Hostile(
            own(PatientComments=lie(0xFFFFFFF0, b"LT")), "failed", "cut off"
        ),
        "length-of-a-sequence": Hostile(
            own(PatientComments=lie(0x7FFFFFFF, b"SQ")), "failed", "cut off"
        ),
        "sides-65535": Hostile(own(Rows=65535, Columns=65535), "failed", "--limits pixels"),
        "sides-0": Hostile(own(Rows=0, Columns=0), "failed", "0 x 0"),
        "frames-2-to-31": Hostile(own(NumberOfFrames="2147483647"), "failed", "--limits frames"),
        "frames-negative": Hostile(own(NumberOfFrames="-5"), "failed", "-5 frames"),
        "frames-googol": Hostile(own(NumberOfFrames="1e100"), "done"),
        "frames-many-digits": Hostile(own(NumberOfFrames="9" * 5000), "done"),
        "frames-of-a-pixel": Hostile(
            partial(frames_of_a_pixel, frames=1 << 20), "failed", "--limits frames"
        ),
        "samples-65535": Hostile(own(SamplesPerPixel=65535), "skipped", "monochrome"),
        "bits-64": Hostile(own(BitsAllocated=64, BitsStored=64), "failed", "Bits Allocated 64"),
        "bits-12": Hostile(own(BitsAllocated=12), "failed", "Bits Allocated 12"),
        "bits-stored-0": Hostile(own(BitsStored=0), "failed", "Bits Stored 0"),
        "high-bit-99": Hostile(own(HighBit=99), "done"),
        "rows-is-text": Hostile(own(Rows=("LO", b"many")), "failed", "cut off"),
        "rows-is-empty": Hostile(own(Rows=b""), "failed", "0 x 33"),
        "pixels-are-a-sequence": Hostile(own(PixelData=("SQ", [{}])), "failed", "cut off"),
        "many-elements": Hostile(many_elements, "done"),
        # Numbers that are none
        "slope-0": Hostile(own(RescaleSlope="0"), "failed", "Rescale Slope is 0"),
        "slope-nan": Hostile(own(RescaleSlope="NaN"), "failed", "finite"),
        "slope-infinite": Hostile(own(RescaleSlope="1e999"), "failed", "finite"),
        "slope-tiny": Hostile(own(RescaleSlope="1e-320"), "done"),
        "slope-great": Hostile(own(RescaleSlope="1e308"), "done"),
        "slope-words": Hostile(own(RescaleSlope="one"), "failed", "finite"),
        "slope-many": Hostile(own(RescaleSlope="1\\" * 30_000), "done"),
        "position-nan": Hostile(own(ImagePositionPatient="NaN\\0\\0"), "done"),
        "position-great": Hostile(own(ImagePositionPatient="1e308\\-1e308\\0"), "done"),
        "orientation-0": Hostile(own(ImageOrientationPatient="0\\0\\0\\0\\0\\0"), "done"),
        "spacing-nan": Hostile(own(PixelSpacing="NaN\\-1", SliceThickness="NaN"), "done"),
        "number-1e400": Hostile(own(SeriesNumber="1e400", InstanceNumber="NaN"), "done"),
        "number-of-digits": Hostile(own(SeriesNumber="9" * 5000), "done"),
        "padding-odd": Hostile(own(PixelPaddingValue=("US", b"\1\2\3\4\5")), "done"),
        "table-lies": Hostile(
            own(ModalityLUTSequence=table((0, 0, 16), b"\0\0")), "failed", "Modality LUT"
        ),
        "table-empty": Hostile(own(ModalityLUTSequence=table((), b"")), "failed", "Modality LUT"),
        "overlay-lies": Hostile(later(with_tags)(OVERLAY), "done"),
        "charset": Hostile(own(SpecificCharacterSet="ISO_IR 999\\\\%s%n"), "done"),
        "mosaic": Hostile(later(with_tags)(MOSAIC, modality="MR", ImageType=TYPE), "done"),
        # Codecs
        "j2k-wide": Hostile(
            codec(JPEG2000Lossless, {8: 60000, 12: 60000}), "failed", "tiles are missing"
        ),
        "j2k-huge": Hostile(
            codec(JPEG2000Lossless, dict.fromkeys((8, 12, 24, 28), HUGE), Rows=HUGE, Columns=HUGE),
            "failed",
            "do not end",
        ),
        "j2k-tiles": Hostile(
            codec(JPEG2000Lossless, {24: 1, 28: 1}), "failed", "1023 of its 1024 tiles are missing"
        ),
        "jls-wide": Hostile(
            codec(JPEGLSLossless, {7: 65535, 9: 65535}), "failed", "decoded|SIGABRT"
        ),
        "jls-huge": Hostile(
            codec(JPEGLSLossless, {7: HUGE, 9: HUGE}, Rows=HUGE, Columns=HUGE),
            "failed",
            "decoded|SIGABRT",
        ),
        "rle-segments": Hostile(
            packed(RLELossless, rle(0xFFFFFFFF, 64, bytes(64))), "failed", "decoded"
        ),
        "rle-beyond": Hostile(
            packed(RLELossless, rle(2, 0xFFFFFF00, bytes(64))), "failed", "decoded"
        ),
        "rle-short": Hostile(
            packed(RLELossless, rle(2, 64, b"\x81\0" * 500), Rows=HUGE, Columns=HUGE),
            "failed",
            "decoded",
        ),
        "jpeg-nothing": Hostile(packed(JPEGBaseline8Bit, b"\xff\xd8\xff\xd9"), "failed", "decoded"),
        "no-codec": Hostile(packed(UID("1.2.3.4/../../x"), b"????"), "failed", "no decoder"),
        # Names and paths
        "x" * 251 + ".dcm": Hostile(named, "done"),
        os.fsdecode(b"caf\xe9-\xff.dcm"): Hostile(named, "done"),
        "new\nline.dcm": Hostile(named, "done"),
        "-rf.dcm": Hostile(named, "done"),
        "$(reboot);`x`.dcm": Hostile(named, "done"),
        "escaping": Hostile(escaping, "done"),
        "DICOMDIR": Hostile(directory, "skipped", "DICOMDIR"),
        "slip.zip": Hostile(archive, "skipped", "not DICOM"),
        "slip.dcm": Hostile(archive, "skipped", "not DICOM"),
        "slip.tar": Hostile(partial(archive, tar=True), "skipped", "not DICOM"),
        # What is no file, or no DICOM
        "pipe": Hostile(os.mkfifo, "skipped", "named pipe"),
        "zeros": Hostile(lambda p: p.symlink_to("/dev/zero"), "skipped", "device"),
        "loop": Hostile(lambda p: p.symlink_to("."), "skipped", "walked already"),
        "away": Hostile(lambda p: p.symlink_to("nowhere"), "failed", "cannot be opened"),
        "empty": Hostile(lambda p: p.touch(), "skipped", "not DICOM"),
        "marked": Hostile(
            lambda p: p.write_bytes(bytes(128) + b"DICM"), "failed", "states no SOP Class"
        ),
        "noise": Hostile(
            lambda p: p.write_bytes(bytes(128) + b"DICM" + noise(4096)), "failed", "cut off|parsed"
        ),
    }


def make(folder: Path) -> None:
    """Write a study of ``study()``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, hostile in study().items():
        hostile.make(folder / name)


def lie(length: int, vr: bytes = b"OW") -> Encoded:
    """An element that says it is longer than the file."""
    tag = 0x7FE00010 if vr == b"OW" else 0x00104000
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, 0)
    if vr == b"LT":  # two bytes of length: it is UT that has four
        head = head.replace(b"LT", b"UT")
    return Encoded((head + struct.pack("<L", length) + b"few",))


def nested_shut(depth: int) -> bytes:
    """Sequences in sequences, each with its length and its end."""
    inner = b""
    for _ in range(depth):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
        inner = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, len(item)) + item
    return inner


def nested_in_un(depth: int) -> bytes:
    """Sequences of implicit VR without end in a private element of unknown VR."""
    deep = struct.pack("<HHL", 0x0040, 0xA730, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return struct.pack("<HH2sHL", 0x0041, 0x1001, b"UN", 0, 0xFFFFFFFF) + deep[8:] + deep * depth


def table(descriptor: tuple[int, ...], data: bytes) -> list[Item]:
    """A Modality LUT."""
    packed = struct.pack(f"<{len(descriptor)}H", *descriptor)
    return [{"LUTDescriptor": ("US", packed), "LUTData": ("OW", data)}]


def noise(length: int) -> bytes:
    """Bytes that mean nothing."""
    return np.random.default_rng(0).bytes(length)
