"""Derived UIDs: valid, repeatable, and different wherever anything differs."""

from dataclasses import replace
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclean.archive.derivation import NETWORK, Derivation
from medclean.archive.dicom.uids import (
    IMPLEMENTATION_CLASS,
    hashed_uid,
    instance_uid,
    series_uid,
)
from medclean.archive.series import Instance, Series

FILE = Instance("a/1.dcm", 1, 1000, "1.2.3", "1.2.840.10008.5.1.4.1.1.2")
SERIES = Series("0" * 16, "dicom", "CT", "HU", (FILE,), (), "1.2", "1.2.1")
STEP = Derivation(
    command="denoise",
    model="dgan",
    code=NETWORK,
    settings={"model": "dgan", "strength": 0.5},
    version="1.0",
    title="Denoised",
    suffix=" [medclean dgan]",
    weights="a" * 64,
    machine="cuda bf16",
)
IMAGE = {"position": "0\\0\\1", "number": "1", "source": "s" * 64, "result": "r" * 64}
OTHER_STEPS = {
    "command": "add-noise",
    "role": "residual",
    "version": "1.1",
    "weights": "b" * 64,
    "settings": {"model": "dgan", "strength": 0.6},
    "stamp": "20260101000000.000000+0000",
}


@given(st.lists(st.text()))
def test_is_a_uuid_of_version_8(fields):
    uid = hashed_uid(fields)
    number = UUID(int=int(uid.removeprefix("2.25.")))
    assert (number.version, number.variant) == (8, RFC_4122)
    assert len(uid) <= 64


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_fields_do_not_run_together(one, other):
    assert (hashed_uid(one) == hashed_uid(other)) == (one == other)


def test_a_known_hash_stays_what_it_is():
    assert hashed_uid(["medclean implementation"]) == IMPLEMENTATION_CLASS


@pytest.mark.parametrize("change", OTHER_STEPS)
def test_every_setting_enters_both(change):
    other = replace(STEP, **{change: OTHER_STEPS[change]})
    assert series_uid(SERIES, other) != series_uid(SERIES, STEP)
    assert instance_uid(SERIES, FILE, other, **IMAGE) != instance_uid(SERIES, FILE, STEP, **IMAGE)


@pytest.mark.parametrize("change", IMAGE)
def test_what_belongs_to_an_image_enters_its_own_only(change):
    other = IMAGE | {change: "2"}
    assert instance_uid(SERIES, FILE, STEP, **other) != instance_uid(SERIES, FILE, STEP, **IMAGE)


@pytest.mark.parametrize("change", [{"uid": "1.2.4"}, {"occurrence": 1}])
def test_files_of_one_uid_are_told_apart(change):
    other = replace(FILE, **change)
    assert instance_uid(SERIES, other, STEP, **IMAGE) != instance_uid(SERIES, FILE, STEP, **IMAGE)


@pytest.mark.parametrize("change", [{"study_uid": "1.3"}, {"series_uid": "1.2.2"}])
def test_source_series_enters_both(change):
    other = replace(SERIES, **change)
    assert series_uid(other, STEP) != series_uid(SERIES, STEP)
    assert instance_uid(other, FILE, STEP, **IMAGE) != instance_uid(SERIES, FILE, STEP, **IMAGE)


def test_machine_enters_the_series_only():
    other = replace(STEP, machine="cpu float32")
    assert series_uid(SERIES, other) != series_uid(SERIES, STEP)
    assert instance_uid(SERIES, FILE, other, **IMAGE) == instance_uid(SERIES, FILE, STEP, **IMAGE)


def test_left_out_sources_enter_both_in_any_order():
    gaps = [["a", "b"], ["b", "a"], ["a"], []]
    one, same, fewer, none = (series_uid(SERIES, STEP, names) for names in gaps)
    assert one == same
    assert len({one, fewer, none}) == 3
    one, same, fewer, none = (instance_uid(SERIES, FILE, STEP, names, **IMAGE) for names in gaps)
    assert one == same
    assert len({one, fewer, none}) == 3


def test_order_of_settings_does_not_matter():
    other = replace(STEP, settings={"strength": 0.5, "model": "dgan"})
    assert series_uid(SERIES, other) == series_uid(SERIES, STEP)
