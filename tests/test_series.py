"""Models that take a whole series: group by group, all or nothing, stopped and gone on with."""

import os
import signal
import sys
from types import ModuleType, SimpleNamespace

import nibabel
import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from medclean.errors import Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise

SHAPE = (20, 16, 6, 3)  # columns, rows, slices, frames: three groups


@pytest.fixture
def cine(tmp_path):
    path = tmp_path / "cine.nii.gz"
    values = np.random.default_rng(0).integers(100, 200, SHAPE).astype(np.int16)
    nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 8.0, 1.0])).to_filename(path)
    return path


@pytest.fixture
def calls(monkeypatch):
    """A stand-in for the package bm4d, which averages three slices; notes each call."""
    module, calls = ModuleType("bm4d"), []

    def bm4d(noisy, sigma, profile, stage):
        calls.append(noisy[:20, :16].copy())
        if len(calls) in STOPS:
            os.kill(os.getpid(), signal.SIGTERM)
        return uniform_filter1d(noisy, 3, axis=2) if isinstance(stage, str) else stage

    module.bm4d, module.BM4DStages = bm4d, SimpleNamespace(HARD_THRESHOLDING="first")
    module.BM4DProfile = module.BM4DProfile2D = type("Profile", (), {})
    monkeypatch.setitem(sys.modules, "bm4d", module)
    monkeypatch.setattr("medclean.models._base.find_spec", lambda package: package == "bm4d")
    STOPS.clear()
    return calls


STOPS = set()  # at which calls a signal comes


def run(path, out, **settings):
    job = DenoiseJob((path,), "bm4d:sigma=0.1", out=out, modality="MR", workers=1, **settings)
    return denoise(job, Log(quiet=True))


def values(path):
    return np.asanyarray(nibabel.load(path).dataobj)


def test_each_group_is_computed_at_once_and_for_itself(cine, calls, tmp_path):
    groups = 1
    assert run(cine, tmp_path / "out").exit == Exit.DONE
    noisy, denoised = values(cine), values(tmp_path / "out" / cine.name)
    groups = len(calls) // 2
    assert groups in (3, 6)
    assert sum(call.shape[-1] for call in calls[::2]) == 18
    assert denoised.shape == noisy.shape
    assert denoised.std() < 0.8 * noisy.std()
