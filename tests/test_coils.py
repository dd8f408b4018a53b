"""Files of complex numbers other than ``.npy``: HDF5 of fastMRI and ISMRMRD, complex NIfTI."""

import sys

import nibabel
import numpy as np
import pytest

from medclean.archive.array.read import opened
from medclean.errors import Exit, MissingError
from medclean.physics.signal.fourier import to_image, to_kspace
from test_denoise import manifest
from test_undersample import record, run

COUNTERS = ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast")
HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{wide}</x><y>{rows}</y><z>{depths}</z></matrixSize>
<fieldOfView_mm><x>{view}</x><y>200</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>20</x><y>{rows}</y><z>{depths}</z></matrixSize>
<fieldOfView_mm><x>200</x><y>200</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><center>{center}</center></kspace_encoding_step_1>
</encodingLimits><trajectory>{trajectory}</trajectory></encoding></ismrmrdHeader>"""
NOISE, REVERSE = 1 << 18, 1 << 21


def complex_values(*shape):
    rng = np.random.default_rng(0)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def write(path, **datasets):
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def write_ismrmrd(path, lines, *, flags=(), **header):
    """Readouts ``(counters, (coils, samples))``; flags by number of the readout."""
    h5py = pytest.importorskip("h5py")
    others = ("phase", "repetition", "set", "segment")
    idx = np.dtype([(name, "<u2") for name in (*COUNTERS, *others)])
    words = ("number_of_samples", "active_channels", "discard_pre", "discard_post")
    head = [(name, "<u2") for name in (*words, "center_sample", "encoding_space_ref")]
    head = np.dtype([("flags", "<u8"), *head, ("idx", idx)])
    floats = h5py.vlen_dtype(np.float32)
    data = np.zeros(len(lines), [("head", head), ("traj", floats), ("data", floats)])
    for number, (counters, values) in enumerate(lines):
        data["head"]["flags"][number] = dict(flags).get(number, 0)
        data["head"]["active_channels"][number], samples = values.shape
        data["head"]["number_of_samples"][number] = samples
        data["head"]["center_sample"][number] = samples // 2
        for name, value in counters.items():
            data["head"]["idx"][name][number] = value
        data["traj"][number] = np.empty(0, np.float32)
        data["data"][number] = values.astype(np.complex64).view(np.float32).ravel()
    how = {
        "wide": 40,
        "rows": 24,
        "depths": 1,
        "view": 400,
        "center": 12,
        "trajectory": "cartesian",
    }
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["dataset/data"] = data
        file["dataset/xml"] = np.array([HEADER.format(**how | header)], h5py.string_dtype())
    return path


def read(path):
    with opened(path) as coils:
        about = coils.outline
        return about, coils.part(0, about.volumes * about.slices)


@pytest.mark.parametrize("shape", [(3, 4, 20, 24), (3, 20, 24)])
@pytest.mark.parametrize("transform", ["2d", "3d"])
def test_fastmri_has_its_lines_along_the_readout(tmp_path, shape, transform):
    values = complex_values(*shape)
    write(tmp_path / "in" / "file.h5", kspace=values)
    done = run(tmp_path / "in", tmp_path / "out", "equispaced:ratio=0.5", transform=transform)
    assert (done.exit, done.done) == (Exit.DONE, 1)
    _, [(kspace, mask)] = record(tmp_path / "out")
    plane, coils = values.swapaxes(-2, -1), len(shape) == 4
    assert set(mask.reshape(-1, 24, 20).mean(axis=(0, 2))) == {0, 1}  # rows are readouts
    if transform == "3d":
        plane = to_kspace(plane, (0,))
        mask = mask[:, None] if coils else mask
    np.testing.assert_allclose(kspace, plane * mask, atol=1e-5)
    images = to_image(kspace, (0, -2, -1) if transform == "3d" else (-2, -1))
    result = np.load(tmp_path / "out" / "file.h5.npy")
    assert result.dtype == (np.float32 if coils else np.complex64)
    wanted = np.sqrt(np.square(np.abs(images)).sum(1)) if coils else images
    np.testing.assert_allclose(result, wanted, atol=1e-5)
    (line,) = manifest(tmp_path / "out")["inputs"]
    assert (line["path"], line["output"]) == ("file.h5", "file.h5.npy")


def test_readouts_of_ismrmrd_come_to_their_places(tmp_path):
    """Averages, two contrasts, slices, an offset centre, and noise that is no part of it."""
    truth = complex_values(2, 3, 2, 24, 40)  # contrasts, slices, coils, rows, columns
    lines = [({"average": 0}, 9 * complex_values(2, 40))]
    for contrast, slice_, row, average in np.ndindex(2, 3, 24, 2):
        names = ("contrast", "slice", "kspace_encode_step_1", "average")
        counters = dict(zip(names, (contrast, slice_, row, average), strict=True))
        wrong = (-1) ** average * complex_values(2, 40)
        lines.append((counters, truth[contrast, slice_, :, row] + wrong))
    path = write_ismrmrd(tmp_path / "in" / "a.mrd", lines, flags=[(0, NOISE)])
    about, kspace = read(path)
    assert (about.volumes, about.slices, about.coils, about.single) == (2, 3, 2, False)
    middle = to_image(truth.reshape(6, 2, 24, 40))[..., 10:30]
    np.testing.assert_allclose(to_image(kspace), middle, atol=1e-5)
    moved = write_ismrmrd(tmp_path / "b.h5", lines[1:49], center=13, rows=26)
    np.testing.assert_allclose(read(moved)[1][0, :, :24], kspace[0], atol=1e-5)
    run(tmp_path / "in", tmp_path / "out", "equispaced:ratio=0.9")
    facts, arrays = record(tmp_path / "out")
    assert len(arrays) == len(facts["arrays"]) == 2
    result = np.load(tmp_path / "out" / "a.mrd.npy")
    assert result.shape == (6, 24, 20)
    first, mask = arrays[0]
    np.testing.assert_allclose(first, kspace[:3] * mask, atol=1e-5)
    wanted = np.sqrt(np.square(np.abs(to_image(kspace * mask))).sum(1))
    np.testing.assert_allclose(result, wanted, atol=1e-5)


def test_volumes_of_ismrmrd_are_decoded_along_all_axes(tmp_path):
    truth = complex_values(4, 2, 24, 40)  # depths, coils, rows, columns
    lines = [
        ({"kspace_encode_step_1": row, "kspace_encode_step_2": depth}, truth[depth, :, row])
        for depth, row in np.ndindex(4, 24)
    ]
    path = write_ismrmrd(
        tmp_path / "in" / "a.h5", lines, depths=4, view=200, trajectory="Cartesian"
    )
    np.testing.assert_array_equal(read(path)[1], truth)
    run(path, tmp_path / "out", "equispaced:ratio=0.9")
    _, [(kspace, mask)] = record(tmp_path / "out")
    np.testing.assert_allclose(kspace, to_image(truth, (0,)) * mask, atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 24, 6), (20, 24, 6, 2)])
def test_complex_nifti_stays_complex_nifti(tmp_path, shape):
    (tmp_path / "in").mkdir()
    values, affine = complex_values(*shape), np.diag([-2, -2, 3, 1])
    nibabel.Nifti1Image(values, affine).to_filename(tmp_path / "in" / "a.nii.gz")
    (tmp_path / "in" / "a.json").write_text('{"Modality": "MR"}')
    done = run(tmp_path / "in", tmp_path / "out", "poisson-disc:ratio=0.5", transform="3d")
    assert (done.exit, done.done) == (Exit.DONE, 1)
    assert (tmp_path / "out" / "a.json").is_file()
    result = nibabel.load(tmp_path / "out" / "a.nii.gz")
    assert (result.get_data_dtype(), result.shape) == (np.complex64, shape)
    np.testing.assert_array_equal(result.affine, affine)
    _, arrays = record(tmp_path / "out")
    volumes = values.T.reshape(-1, 6, 24, 20)
    found = np.asarray(result.dataobj).T.reshape(volumes.shape)
    for (kspace, mask), volume, image in zip(arrays, volumes, found, strict=True):
        np.testing.assert_allclose(kspace, to_kspace(volume, (0, 1, 2)) * mask, atol=1e-4)
        np.testing.assert_allclose(image, to_image(kspace, (0, 1, 2)), atol=1e-4)


def test_what_cannot_be_read_says_why(tmp_path):
    h5py = pytest.importorskip("h5py")
    study = tmp_path / "study"
    readout = ({}, complex_values(1, 40))
    write(study / "weights.h5", layer=np.zeros(3))
    write(study / "real.h5", kspace=np.zeros((2, 3, 4)))
    write(study / "nan.h5", kspace=np.full((2, 3, 4), np.nan, np.complex64))
    (study / "torn.h5").write_bytes((study / "nan.h5").read_bytes()[:-50])
    with h5py.File(study / "link.h5", "w") as file:
        file["kspace"] = h5py.ExternalLink("nan.h5", "kspace")
    with h5py.File(study / "raw.h5", "w") as file:
        file.create_dataset("kspace", (2, 3, 4), "c8", external=[("nan.h5", 0, 192)])
    write_ismrmrd(study / "spiral.mrd", [readout], trajectory="spiral")
    write_ismrmrd(study / "epi.mrd", [readout], flags=[(0, REVERSE)])
    write_ismrmrd(study / "far.mrd", [({"kspace_encode_step_1": 24}, readout[1])])
    write_ismrmrd(study / "wide.mrd", [readout], wide=1 << 30, view=10 * (1 << 30))
    write_ismrmrd(study / "long.mrd", [({}, complex_values(1, 50))])
    done = run(study, tmp_path / "out")
    assert (done.exit, done.done, done.failed) == (Exit.BAD_DATA, 0, 5)
    lines = {line["path"]: line for line in manifest(tmp_path / "out")["inputs"]}
    for name, status, hint in (
        ("weights.h5", "skipped", "something else"),
        ("real.h5", "skipped", "of float64"),
        ("link.h5", "skipped", "refers to others"),
        ("raw.h5", "skipped", "refers to others"),
        ("spiral.mrd", "skipped", "Cartesian"),
        ("epi.mrd", "skipped", "to and fro"),
        ("nan.h5", "failed", "no finite numbers"),
        ("torn.h5", "failed", "no HDF5 file that can be read"),
        ("far.mrd", "failed", "outside of the matrix"),
        ("wide.mrd", "failed", "--limits pixels"),
        ("long.mrd", "failed", "longer than the matrix"),
    ):
        assert lines[name]["status"] == status, name
        assert hint in lines[name]["reason"]


def test_without_h5py_the_user_is_told_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with (
        pytest.raises(MissingError, match=r"pip install 'medclean\[hdf5\]'"),
        opened(tmp_path / "a.h5"),
    ):
        pass


@pytest.mark.pages
def test_the_page_of_a_run_says_that_coils_have_no_images(tmp_path):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "a.npy", complex_values(2, 4, 16, 16))
    assert run(tmp_path / "in", tmp_path / "out", report=True).exit == Exit.DONE
    page = (tmp_path / "out" / "medclean-run" / "report.html").read_text()
    assert "what coils measured is no image" in page
