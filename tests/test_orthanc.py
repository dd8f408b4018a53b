"""Derived series before a real archive: Orthanc on loopback, fed by dcmtk's storescu."""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

import dicoms
from medclean.errors import Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from peers import free_ports, program

pytestmark = pytest.mark.slow
PROPOSED = {  # what storescu offers besides native pixels
    "ct": [],
    "mr": ["-xr"],
    "pt": ["-xv"],
    "ls": ["-xt"],
}


@dataclass(frozen=True)
class Archive:
    """An Orthanc that is running.

    Attributes:
        http: Port of its REST interface.
        dicom: Port of its DICOM interface.
    """

    http: int
    dicom: int

    def get(self, path):
        with urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return answer.read()

    def ask(self, path):
        return json.loads(self.get(path))

    def store(self, folder, *proposed):
        words = [program("storescu"), "+sd", "+sp", "*.dcm", *proposed]
        words += ["127.0.0.1", str(self.dicom), folder]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def is_up(self):
        try:
            return bool(self.ask("/system"))
        except (URLError, ConnectionError):
            return False


@pytest.fixture
def archive():
    """Orthanc with a storage of its own, as a user without rights, for this host only."""
    orthanc = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if not orthanc:
        pytest.skip("Orthanc is not installed")
    http, dicom = free_ports(2)
    with TemporaryDirectory() as folder:
        settings = {
            "StorageDirectory": f"{folder}/storage",
            "IndexDirectory": f"{folder}/storage",
            "HttpPort": http,
            "DicomPort": dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomCheckCalledAet": False,
            "Plugins": [],
        }
        config = Path(folder, "orthanc.json")
        config.write_text(json.dumps(settings))
        user = "nobody" if os.getuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        said = Path(folder, "said")
        with said.open("w") as log:
            process = subprocess.Popen([orthanc, config], user=user, stdout=log, stderr=log)
        try:
            running = Archive(http, dicom)
            for _ in range(300):
                if running.is_up():
                    break
                time.sleep(0.1)
            else:
                pytest.fail(f"Orthanc does not answer:\n{said.read_text()}")
            yield running
        finally:
            process.terminate()
            process.wait(30)


def test_source_and_derived_are_series_of_one_study(archive, tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.series(study / "ct", 4, signed=True, bits=12, intercept="-1024", private=True)
    dicoms.series(study / "mr", 3, series=2, modality="MR", bits=12, syntax=RLELossless)
    dicoms.series(study / "pt", 3, series=3, modality="PT", syntax=JPEG2000Lossless)
    dicoms.series(study / "ls", 2, series=4, modality="MR", bits=12, syntax=JPEGLSLossless)
    job = DenoiseJob((study,), "median", out=out)
    assert denoise(job, Log(quiet=True)).exit == Exit.DONE
    for root in (study, out):
        for name, proposed in PROPOSED.items():
            archive.store(root / name, *proposed)

    (stored,) = archive.ask("/studies?expand")
    assert len(stored["Series"]) == 2 * len(PROPOSED)
    seen = {}
    for series in archive.ask("/series?expand"):
        tags = series["MainDicomTags"]
        seen[tags["SeriesInstanceUID"]] = (tags["Modality"], len(series["Instances"]))
        assert archive.ask(f"/series/{series['ID']}/study")["ID"] == stored["ID"]
    for name in PROPOSED:
        before, after = (
            [dcmread(path) for path in sorted((root / name).iterdir())] for root in (study, out)
        )
        uids = [files[0].SeriesInstanceUID for files in (before, after)]
        assert uids[0] != uids[1]
        assert [seen[uid] for uid in uids] == [(before[0].Modality, len(before))] * 2

    sent = {data.SOPInstanceUID: data for data in map(dcmread, sorted(out.rglob("*.dcm")))}
    fetched = 0
    for instance in archive.ask("/instances"):
        data = dcmread(DicomBytesIO(archive.get(f"/instances/{instance}/file")))
        if own := sent.get(data.SOPInstanceUID):
            fetched += 1
            assert data == own
            assert data.PixelData == own.PixelData
            assert data.file_meta.TransferSyntaxUID == own.file_meta.TransferSyntaxUID
    assert fetched == len(sent) == 12
