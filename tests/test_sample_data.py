"""The sample studies are sound DICOM, belong to nobody, and can be made again."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

SAMPLES = Path(__file__).parent.parent / "sample_data"
FOLDERS = ["mr/noisy", "mr/clean", "ct/noisy", "ct/clean"]


def read(folder: str) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted((SAMPLES / folder).glob("*.dcm"))]


def real(instances: list[Dataset]) -> np.ndarray:
    return np.stack(
        [i.pixel_array * float(i.get("RescaleSlope", 1)) + float(i.get("RescaleIntercept", 0))
         for i in instances]
    )  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_series_is_whole_and_says_that_it_is_invented(folder: str) -> None:
    series = read(folder)
    assert len(series) == {"mr": 12, "ct": 8}[folder[:2]]
    assert len({i.SeriesInstanceUID for i in series}) == 1
    assert len({i.SOPInstanceUID for i in series}) == len(series)
    places = [i.ImagePositionPatient[2] for i in series]
    assert np.allclose(np.diff(places), np.diff(places)[0])
    for instance in series:
        assert str(instance.PatientName).startswith("SAMPLE")
        assert instance.Manufacturer == "Invented Imaging"
        assert instance.ImageComments == "Simulated. Not for diagnosis."
        assert instance.file_meta.MediaStorageSOPInstanceUID == instance.SOPInstanceUID


@pytest.mark.parametrize(("kind", "low", "high"), [("mr", 0.09, 0.11), ("ct", 20, 50)])
def test_noisy_and_clean_differ_by_the_noise_that_is_stated(
    kind: str, low: float, high: float
) -> None:
    noisy, clean = real(read(f"{kind}/noisy")), real(read(f"{kind}/clean"))
    scale = np.percentile(clean, 99.9) if kind == "mr" else 1
    inside = clean > 0.4 * scale if kind == "mr" else (clean > 40) & (clean < 130)
    assert low < (noisy - clean)[inside].std() / scale < high


def test_the_studies_are_small_enough_to_be_cloned() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 15e6


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("folder", FOLDERS)
def test_dciodvfy_finds_no_error(folder: str) -> None:
    for path in sorted((SAMPLES / folder).glob("*.dcm")):
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert not re.findall(r"^Error.*", said.stdout + said.stderr, re.MULTILINE)


@pytest.mark.slow
def test_the_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    pytest.importorskip("nilearn", reason="nilearn, which carries the template, is not installed")
    subprocess.run([sys.executable, SAMPLES / "make.py", tmp_path], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.dcm"))
    assert made == sorted(path.relative_to(SAMPLES) for path in SAMPLES.rglob("*.dcm"))
    for path in made:
        assert (tmp_path / path).read_bytes() == (SAMPLES / path).read_bytes(), path
