"""Small DICOM files derived, for tests."""

from concurrent.futures import Future

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import dicoms
from medclean.archive.derivation import NETWORK, Derivation
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.read import read
from medclean.archive.dicom.scan import scan
from medclean.archive.dicom.transcode import opened
from medclean.archive.dicom.write import write
from medclean.archive.numbers import residual, to_stored, unchanged

STEP = Derivation(
    command="denoise",
    model="dgan",
    code=NETWORK,
    settings={"model": "dgan", "strength": 1.0},
    version="0.1.0",
    title="medclean 0.1.0 denoise, model dgan",
    suffix=" [medclean dgan]",
    weights="0123456789abcdef" * 4,
    machine="cpu float32",
)
SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "rle": RLELossless,
    "jpegls": JPEGLSLossless,
    "jpeg2000": JPEG2000Lossless,
}


class Here:
    """Workers that are no processes."""

    def map(self, function, items):
        for item in items:
            done = Future()
            done.set_result(function(item))
            yield item, done


def series_in(root, include=("all",)):
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return list(scan(root, paths, Here(), include=include).series)


def rewrite(root, series, place, plan, to, result=None):
    """Write a file of a series with a result, or with its own numbers; or what that removed."""
    pixels = read(root, series, place)
    stored = unchanged(pixels) if result is None else to_stored(result, pixels)
    if plan.derivation.role == "residual":
        stored = residual(stored, pixels)
    return write(root, series, place, stored, plan, to)


class Derived:
    """The only file of a folder before and after."""

    def __init__(self, tmp_path, data=None, *, syntax="explicit", wanted="keep", step=STEP, **how):
        self.root, self.to = tmp_path / "in", tmp_path / "out" / "a.dcm"
        self.to.parent.mkdir(parents=True)
        if data is not None:
            dicoms.save(data, self.root / "a.dcm", SYNTAXES.get(syntax, syntax))
        (self.series,) = series_in(self.root, how.pop("include", ("all",)))
        result = how.pop("result", None)
        self.plan = plan(self.series, step, syntax=wanted, **how)
        self.written = rewrite(self.root, self.series, 0, self.plan, self.to, result)
        source = self.root / self.series.instances[0].path
        self.source, self.data = pydicom.dcmread(source), pydicom.dcmread(self.to)
        self.raw_source, self.raw = (opened(path.read_bytes()) for path in (source, self.to))

    def changed(self):
        """Tags of elements whose raw bytes differ, are new or are gone."""
        spans = self.raw_source.elements.spans.keys() | self.raw.elements.spans.keys()
        return {
            tag
            for tag in spans
            if (tag in self.raw.elements, self.raw.elements.value(tag))
            != (tag in self.raw_source.elements, self.raw_source.elements.value(tag))
        }


def odd(modality="CT", **elements):
    """An image with all that a careless writer would touch."""
    data = dicoms.image(modality=modality, private=True, planted=True, **elements)
    data.SpecificCharacterSet = ""
    data.add_new(0x00100020, "LO", "  blanks kept")
    inner = Dataset()
    inner.CodeValue = "1"
    inner.is_undefined_length_sequence_item = True
    data.RequestAttributesSequence = Sequence([inner])
    data["RequestAttributesSequence"].is_undefined_length = True
    data.TimezoneOffsetFromUTC = "+0130"
    data.PatientComments = "odd"
    data.add_new(0x7FE10010, "LO", "ACME TAIL")
    data.add_new(0x7FE11001, "OB", b"\1\2\3\4")
    return data
