"""A Modality LUT in place of slope and intercept: the same table that pydicom applies."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import ImplicitVRLittleEndian

import dicoms
from derived import STEP, Derived, series_in
from medclean.archive.dicom.read import read
from medclean.archive.tables import Table
from medclean.errors import DataError
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from medclean.pipelines.dry_run import dry_run

STORED = np.sort(dicoms.pattern((40, 36), bits=8), None).reshape(40, 36).astype(np.uint16)
RISING = np.arange(256, dtype=np.uint16) ** 2 // 2
FALLING = RISING[::-1]
UP_AND_DOWN = np.abs(np.arange(256) - 100).astype(np.uint16)


def lut(entries, *, first=0, depth=16, signed=False):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 65536, first, depth])
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "OW", np.asarray(entries).tobytes())
    return [item]


def image(entries=RISING, stored=STORED, **how):
    """An MR with a table; its descriptor has the sign of the pixels."""
    signed = stored.dtype.kind == "i"
    data = dicoms.image(stored, modality="MR", bits=8, slope=None, intercept=None)
    data.ModalityLUTSequence = lut(entries, signed=signed, **how)
    return data


def real(path):
    (series,) = series_in(path.parent)
    return read(path.parent, series, 0).real


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "jpegls"])
@pytest.mark.parametrize(
    ("entries", "how"),
    [
        (RISING, {}),
        (FALLING, {}),
        (UP_AND_DOWN, {}),
        (RISING[:100], {"first": 50}),
        (np.arange(256, dtype=np.uint8), {"depth": 8}),
        (np.arange(65536, dtype=np.uint16), {}),
    ],
)
def test_values_are_those_that_pydicom_gives_and_identity_keeps_every_bit(
    tmp_path, syntax, entries, how
):
    words = entries.view("<u2").byteswap().view(entries.dtype) if syntax == "big" else entries
    made = Derived(tmp_path, image(words, **how), syntax=syntax)
    source = made.root / "a.dcm"
    data = dcmread(source)
    expected = entries[np.clip(STORED.astype(int) - how.get("first", 0), 0, len(entries) - 1)]
    np.testing.assert_array_equal(real(source)[0], expected)
    if syntax != "big" and entries.itemsize > 1:  # it reads neither
        np.testing.assert_array_equal(apply_modality_lut(data.pixel_array, data), expected)
    np.testing.assert_array_equal(made.data.pixel_array, STORED)
    assert made.data.ModalityLUTSequence == data.ModalityLUTSequence or syntax == "big"


def test_the_first_value_has_the_sign_of_the_pixels(tmp_path):
    stored = STORED.astype(np.int16) - 128
    path = dicoms.save(image(stored=stored, first=-128), tmp_path / "a.dcm", ImplicitVRLittleEndian)
    np.testing.assert_array_equal(real(path)[0], RISING[STORED])


def test_a_result_is_stored_where_the_table_is_nearest(tmp_path):
    values = image().pixel_array
    result = RISING[STORED].astype(np.float32)[None]
    result[0, 0, :6] = [RISING[200] + 3, RISING[201] - 3, 7.9, -50, 1e6, RISING[9]]
    made = Derived(tmp_path, image(), result=result)
    assert made.data.pixel_array[0, :6].tolist() == [200, 201, 4, 0, 255, 9]
    np.testing.assert_array_equal(made.data.pixel_array[1:], values[1:])
    assert made.written.clamped == 2


def test_a_table_without_inverse_serves_identity_only(tmp_path):
    result = np.zeros((1, *STORED.shape), np.float32)
    with pytest.raises(DataError, match=r"up and down.*identity"):
        Derived(tmp_path / "a", image(UP_AND_DOWN), result=result)
    with pytest.raises(DataError, match="one value only"):
        Derived(tmp_path / "b", image(np.full(256, 7, np.uint16)), result=result)
    Derived(tmp_path / "c", image(UP_AND_DOWN))


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("model", ["identity", "median"])
def test_a_dry_run_foresees_a_table_without_inverse(tmp_path, model, gaps):
    for number, entries in enumerate((RISING, UP_AND_DOWN), 1):
        data = image(entries)
        data.InstanceNumber, data.SOPInstanceUID = number, dicoms.uid(number)
        data.ImagePositionPatient = [0, 0, 2.5 * number]
        dicoms.save(data, tmp_path / "study" / f"{number}.dcm")
    out = tmp_path / "out"
    job = DenoiseJob((tmp_path / "study",), model, out=out, allow_gaps=gaps)
    foreseen, ended = dry_run(job, Log(quiet=True)), denoise(job, Log(quiet=True))
    manifest = json.loads((out / "medclean-run" / "manifest.json").read_text())
    told = [(line["status"], line["reason"]) for line in manifest["inputs"]]
    assert foreseen.exit == ended.exit
    assert [status == "failed" for status, _ in told] == [
        model == "median" and not gaps,  # goes down with the other
        model == "median",
    ]
    if model == "median":
        assert told[1][1].endswith(foreseen.inputs[1].reason)


@pytest.mark.parametrize("part", ["LUTDescriptor", "LUTData"])
def test_a_damaged_table_is_said_to_be_one(tmp_path, part):
    short = image()
    value = short.ModalityLUTSequence[0][part].value
    short.ModalityLUTSequence[0][part].value = value[: len(value) // 2] if part == "LUTData" else 3
    dicoms.save(short, tmp_path / "a" / "a.dcm")
    none = image()
    del none.ModalityLUTSequence[0][part]
    dicoms.save(none, tmp_path / "b" / "a.dcm")
    for folder in "ab":
        with pytest.raises(DataError, match="Modality LUT"):
            real(tmp_path / folder / "a.dcm")


def test_an_empty_sequence_is_no_table(tmp_path):
    data = dicoms.image(STORED, bits=8, slope="2", intercept="-3")
    data.ModalityLUTSequence = []
    path = dicoms.save(data, tmp_path / "a.dcm")
    np.testing.assert_array_equal(real(path)[0], STORED * 2.0 - 3)


def test_table_values_are_no_hounsfield_units(tmp_path):
    data = dicoms.image(STORED, bits=8, slope=None, intercept=None)
    data.ModalityLUTSequence = lut(RISING)
    dicoms.save(data, tmp_path / "a.dcm")
    assert not series_in(tmp_path, include=())
    (series,) = series_in(tmp_path, include=("map",))
    assert series.unit == "au"


def test_a_residual_of_stored_values_has_no_table(tmp_path):
    from dataclasses import replace

    result = RISING[STORED].astype(np.float32)[None] + 900
    step = replace(STEP, role="residual")
    denoised = Derived(tmp_path / "a", image(), result=result).data
    removed = Derived(tmp_path / "b", image(), result=result, step=step).data
    both = denoised.pixel_array.astype(int) + removed.pixel_array
    np.testing.assert_array_equal(both, STORED)
    assert "ModalityLUTSequence" not in removed
    assert (removed.RescaleSlope, removed.RescaleIntercept, removed.RescaleType) == (1, 0, "US")


@given(
    entries=st.lists(st.integers(0, 65535), min_size=2, max_size=20, unique=True),
    falls=st.booleans(),
    first=st.integers(-30, 30),
    wanted=st.integers(-10, 65550) | st.floats(-10, 65550),
)
def test_nearest_is_nearest_and_ties_go_to_the_even(entries, falls, first, wanted):
    table = Table(first, np.array(sorted(entries, reverse=falls), np.uint16))
    (found,) = table.nearest(np.array([float(wanted)]))
    distances = np.abs(table.entries.astype(float) - wanted)
    best = np.flatnonzero(distances == distances.min()) + first
    assert found == next((place for place in best if place % 2 == 0), best[0])


def test_of_several_that_stand_for_the_same_the_least_is_taken():
    table = Table(10, np.array([5, 5, 7, 7, 7, 9], np.uint16))
    found = table.nearest(np.array([5.0, 7.2, 0.0, 20.0, 8.0]))
    assert found.tolist() == [10, 12, 10, 15, 12]  # 12 and 15 are as near: the even one
