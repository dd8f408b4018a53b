"""One derived file from one source file, or from the pixels that a model made of it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medclean.archive.derivation import CODES, MAKER, Derivation, Made, Role, Written
from medclean.archive.dicom import mosaic
from medclean.archive.dicom.deidentify import PIXELS, Deidentification
from medclean.archive.dicom.derive import derived
from medclean.archive.dicom.elements import Changes, Elements, Value, element, tag_of
from medclean.archive.dicom.encode import NATIVE, encode
from medclean.archive.dicom.lossy import lossy_history
from medclean.archive.dicom.overlays import buried, moved_overlays
from medclean.archive.dicom.parse import one_reason
from medclean.archive.dicom.pixels import Integers
from medclean.archive.dicom.plan import Plan
from medclean.archive.dicom.plan import plan as settled
from medclean.archive.dicom.read import load, pixels_of
from medclean.archive.dicom.residual import of_difference, residual
from medclean.archive.dicom.transcode import Opened, deflated, opened, transcoded
from medclean.archive.dicom.uids import IMPLEMENTATION_CLASS, instance_uid
from medclean.archive.numbers import Pixels, Stored, by_role
from medclean.archive.series import Series
from medclean.files import write_parts

_TRIAL = Derivation(MAKER, "trial", CODES["IDENTITY"], {}, version="0", title="trial", suffix="")


def write(
    root: Path, series: Series, instance: int, stored: Stored, plan: Plan, to: Path
) -> Written:
    """Write the derived object of one file of a series, whole or not at all; can run in a worker.

    Args:
        root: What the paths of the series are relative to.
        series: The source, or one of it ``alone``; then the plan is too.
        instance: Which of its files.
        stored: Its new pixels, or what was removed from them.
        plan: What the instances of the derived series share, or those of the residual series.
        to: Path of the new file, in a folder that exists.

    Raises:
        DataError: The source cannot be read, or not be written as asked.
        WriteError: Permission, full disk and the like.
    """
    path = root / series.instances[instance].path
    with one_reason("cannot be taken apart"):
        found = opened(path.read_bytes())
    made = _made(found, lambda: load(path).words, series, instance, stored, plan)
    write_parts(to, made.parts)
    return made.written


def refuse_odd(
    root: Path, series: Series, instance: int, hidden: Deidentification | None = None
) -> None:
    """Nothing, as long as a file can be taken apart as far as it has to be to write another.

    Args:
        root: As for ``write``; so are the others.
        series: See there.
        instance: See there.
        hidden: How the other is de-identified, if it is.

    Raises:
        DataError: It cannot, or not be de-identified, though its pixels may be whole.
    """
    plan = settled(series.alone(instance), _TRIAL)
    with one_reason("cannot be taken apart"):
        found = opened((root / series.instances[instance].path).read_bytes())
        native = found.syntax if found.syntax in NATIVE else ExplicitVRLittleEndian
        whole = encoded_for(found, UID(native))
        source = hidden.cleaned(whole, series.instances[instance].sop_class) if hidden else whole
        changes = derived(source, series, instance, plan, uid="2.25.1")
        if hidden:
            _sealed(whole, source, {**changes, **hidden.stated(source, changes)}, hidden)
        else:
            source.patches(changes)


def remade(
    root: Path,
    series: Series,
    instance: int,
    change: Callable[[Pixels], Stored],
    plans: Mapping[Role, Plan],
) -> dict[Role, Made]:
    """Read a file of a series and make what is derived from it, in one go; can run in a worker.

    Args:
        root: As for ``write``; so are ``series`` and ``instance``.
        series: See there.
        instance: See there.
        change: Makes the new pixels.
        plans: As there, for each role.

    Raises:
        DataError: The source cannot be read, or not be written as asked.
    """
    file = series.instances[instance]
    decoded = load(root / file.path)
    pixels = pixels_of(decoded, vendor_units=file.vendor_units, tiles=file.tiles)
    stored = change(pixels)
    with one_reason("cannot be taken apart"):
        apart = decoded.found.file
        found = apart if isinstance(apart, Opened) else opened((root / file.path).read_bytes())
    return {
        role: _made(found, lambda: decoded.words, series, instance, new, plans[role])
        for role, new in by_role(stored, pixels, plans)
    }


def _made(
    found: Opened,
    words: Callable[[], Integers],
    series: Series,
    instance: int,
    stored: Stored,
    plan: Plan,
) -> Made:
    """What is derived from a file taken apart; ``words``: its pixels with all their bits."""
    file = series.instances[instance]
    new = encode(
        mosaic.joined(stored.array) if file.tiles else stored.array,
        wanted=plan.syntax,
        source=found.syntax,
        allocated=stored.array.itemsize * 8,
        bits=stored.encoding.bits,
        photometric=found.elements.text("PhotometricInterpretation"),
    )
    whole, hidden = encoded_for(found, new.syntax), plan.deidentification
    source = hidden.cleaned(whole, file.sop_class) if hidden else whole
    uid = instance_uid(
        series,
        file,
        plan.derivation,
        plan.left_out,
        position=source.text("ImagePositionPatient"),
        number=source.text("InstanceNumber"),
        source=stored.source,
        result=stored.digest,
    )
    if stored.denoised:
        plan = of_difference(plan, source, series, instance, stored)
    own = derived(source, series, instance, plan, uid)
    changes = {
        **own,
        **(hidden.stated(source, own) if hidden else {}),
        **lossy_history(found.elements, found.syntax, stored.array.size),
        **extremes(source, stored.array),
        **_overlays(source, found.syntax, words),
        **(residual(source, file.sop_class, stored, own) if stored.denoised else {}),
        **new.elements,
    }
    if hidden:
        uid = hidden.uid(uid)
        source = _sealed(whole, source, changes, hidden)
        changes = {key: value for key, value in changes.items() if tag_of(key) >= PIXELS}
    body = source.patches(changes)
    if new.syntax == DeflatedExplicitVRLittleEndian:
        body = [deflated(b"".join(body))]
    parts = [file_meta(file.sop_class, uid, new.syntax, plan.derivation.version), *body]
    return Made.of(
        parts,
        uid=uid,
        syntax=new.syntax,
        clamped=stored.clamped,
        padding_moved=stored.moved,
        notes=(new.note,) if new.note else (),
    )


def _sealed(
    whole: Elements, source: Elements, changes: Changes, hidden: Deidentification
) -> Elements:
    """What is derived up to its pixels, de-identified; ``source``: the whole, cleaned."""
    header = source.patched({key: v for key, v in changes.items() if tag_of(key) < PIXELS})
    sealed = hidden.sealed(whole, Elements(header, 0, len(header), source.explicit))
    return Elements(sealed, 0, len(sealed), source.explicit)


def file_meta(sop_class: str, uid: str, syntax: str, version: str) -> bytes:
    """Preamble and file meta information, from nothing (PS3.10 7.1)."""
    stated: dict[str, Value] = {
        "FileMetaInformationVersion": b"\0\1",
        "MediaStorageSOPClassUID": sop_class,
        "MediaStorageSOPInstanceUID": uid,
        "TransferSyntaxUID": syntax,
        "ImplementationClassUID": IMPLEMENTATION_CLASS,
        "ImplementationVersionName": f"MEDCLEAN_{version}"[:16],
    }
    meta = b"".join(element(key, value, explicit=True) for key, value in stated.items())
    length = element("FileMetaInformationGroupLength", len(meta), explicit=True)
    return b"".join((b"\0" * 128, b"DICM", length, meta))


def extremes(source: Elements, stored: NDArray[np.integer]) -> Changes:
    """Smallest and Largest Image Pixel Value anew, where the source has them (C.7.6.3.1.3)."""
    vr = "SS" if stored.dtype.kind == "i" else "US"
    values = {"SmallestImagePixelValue": stored.min(), "LargestImagePixelValue": stored.max()}
    fits = stored.itemsize <= 2
    return {
        key: (vr, int(value)) if fits else None for key, value in values.items() if key in source
    }


def encoded_for(found: Opened, syntax: UID) -> Elements:
    """The source's data set with the VRs written or not, as the transfer syntax wants it."""
    source = found.elements
    implicit = syntax == ImplicitVRLittleEndian
    if source.order == "<" and source.explicit != implicit:
        return source
    data = transcoded(source)
    return Elements(data, 0, len(data))


def _overlays(source: Elements, syntax: str, words: Callable[[], Integers]) -> Changes:
    """Only these keep the bits above Bits Stored; other decoders may leave garbage there."""
    if syntax not in (*NATIVE, ExplicitVRBigEndian, RLELossless) or not buried(source):
        return {}
    return moved_overlays(source, words())
