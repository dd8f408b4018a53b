"""Models that take a whole series: group by group, all or nothing, stopped and gone on with."""

import os
import signal
import sys
from time import monotonic, sleep
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pydicom import dcmread
from scipy.ndimage import uniform_filter1d

import dicoms
from medclean.errors import Exit, Stopped, UsageError
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.models import _matched
from medclean.pipelines.denoise import denoise
from test_denoise import tree

GROUPS = {"axial": (1, 0, 0, 0, 1, 0), "sagittal": (0, 1, 0, 0, 0, -1)}  # orientations
SLICES = 6


@pytest.fixture
def study(tmp_path):
    """One MR series of two stacks."""
    places = [(name, k) for name in GROUPS for k in range(SLICES)]
    for number, (name, k) in enumerate(places, 1):
        noisy = 1000 + 100 * np.random.default_rng(number).standard_normal((40, 36))
        how = {"number": number, "modality": "MR", "orientation": GROUPS[name]}
        image = dicoms.image(noisy.astype(np.uint16), **how)
        dicoms.save(image, tmp_path / "study" / f"{name}-{k}.dcm")
    return tmp_path / "study"


class BM4D(ModuleType):
    """A stand-in for the package, which averages three slices.

    Attributes:
        volumes: What it was given in each first stage, ``(rows, columns, slices)``.
        stops_at: First stages during which a signal comes.
    """

    BM4DStages = SimpleNamespace(HARD_THRESHOLDING="first")
    BM4DProfile = BM4DProfile2D = type("Profile", (), {})

    def __init__(self):
        super().__init__("bm4d")
        self.volumes, self.stops_at = [], ()

    def bm4d(self, noisy, sigma, profile, stage):
        if not isinstance(stage, str):
            return stage
        self.volumes.append(noisy.copy())
        if len(self.volumes) in self.stops_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return uniform_filter1d(noisy, 3, axis=2)


@pytest.fixture
def bm4d(monkeypatch):
    package = BM4D()
    monkeypatch.setitem(sys.modules, "bm4d", package)
    monkeypatch.setattr("medclean.models._filter.find_spec", lambda name: name == "bm4d")
    return package


def run(study, out, **settings):
    return denoise(DenoiseJob((study,), "bm4d", out=out, workers=1, **settings), Log(quiet=True))


def pixels(folder, group):
    files = [folder / f"{group}-{k}.dcm" for k in range(SLICES)]
    return np.stack([dcmread(file).pixel_array for file in files]).astype(float)


def test_each_group_is_taken_at_once_and_for_itself(study, bm4d, tmp_path):
    assert run(study, tmp_path / "out").exit == Exit.DONE
    for group, volume in zip(GROUPS, bm4d.volumes, strict=True):
        noisy, seen = pixels(study, group), np.moveaxis(volume, 2, 0)
        assert (seen == noisy).all() or (seen == noisy[::-1]).all()
        expected = uniform_filter1d(noisy, 3, axis=0)
        assert np.abs(pixels(tmp_path / "out", group) - expected).max() <= 0.5


def test_a_stopped_run_computes_no_group_again(study, bm4d, tmp_path):
    run(study, tmp_path / "whole")
    bm4d.volumes.clear()
    bm4d.stops_at = (2,)
    with pytest.raises(Stopped, match="SIGTERM"):
        run(study, tmp_path / "out")
    assert tree(tmp_path / "out") == {}  # a series is there or it is not
    assert run(study, tmp_path / "out").exit == Exit.DONE
    assert len(bm4d.volumes) == 3
    np.testing.assert_array_equal(bm4d.volumes[2], bm4d.volumes[1])
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_series_is_not_turned(study, bm4d, tmp_path):
    with pytest.raises(UsageError, match="takes a series at once"):
        run(study, tmp_path / "out", ensemble=True)
    assert not (tmp_path / "out").exists()


def test_what_takes_long_gives_signs_of_life(monkeypatch):
    monkeypatch.setattr(_matched, "SIGN", 0.01)
    signs = []
    ended = _matched.with_signs_of_life(lambda: (sleep(0.2), "result")[1], lambda: signs.append(1))
    assert ended == "result"
    assert len(signs) > 5
    with pytest.raises(MemoryError):
        _matched.with_signs_of_life(lambda: _raise(MemoryError), list)


def test_a_stop_does_not_wait_for_what_takes_long(monkeypatch):
    monkeypatch.setattr(_matched, "SIGN", 0.01)
    began, signs = monotonic(), iter([None, None, Stopped("SIGTERM", Exit.STOPPED)])

    def sign():
        if error := next(signs):
            raise error

    with pytest.raises(Stopped):
        _matched.with_signs_of_life(lambda: sleep(5), sign)
    assert monotonic() - began < 2


def _raise(error):
    raise error
