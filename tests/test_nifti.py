"""NIfTI comes out as it went in, but for the values that were meant to change."""

import gzip
import json
import re
from pathlib import Path
from time import perf_counter
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from derived import Here
from medclean.archive.nifti import scan as scanning
from medclean.archive.nifti.header import read_header, stored_values, unpacked_whole
from medclean.archive.nifti.names import takes
from medclean.archive.nifti.read import read, read_volume
from medclean.archive.nifti.write import sidecars, write
from medclean.archive.numbers import to_stored, unchanged
from medclean.archive.series import Scan
from medclean.archive.workers import Workers
from medclean.errors import DataError

AFFINE = np.array([[-0.9, 0, 0.1, 10], [0, 1.1, 0, -20], [0.1, 0, 3, 30], [0, 0, 0, 1.0]])


def scan(root: Path, paths: list[str], **how: Any) -> Scan:
    return scanning.scan(root, paths, Here(), **how)


def save(
    path: Path, data: Any, slope: float | None = None, inter: float = 0.0, **more: Any
) -> Path:
    """Write stored values with a header that says how they are scaled."""
    kind = more.pop("kind", nib.Nifti1Image)
    image = kind(data, AFFINE)
    image.header.extensions.extend(more.pop("extensions", []))
    for field, value in more.items():
        image.header[field] = value
    image.to_filename(path)
    if slope is not None:  # nibabel would rescale the values, too
        raw = bytearray(path.read_bytes())
        raw[112:120] = np.array([slope, inter], "<f4").tobytes()
        path.write_bytes(raw)
    return path


def ramp(*shape: int, dtype: Any = np.int16) -> Any:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def write_nifti(path: Path, result: Any, to: Path) -> Any:
    (series,) = scan(path.parent, [path.name]).series
    pixels = read(path.parent, series, 0)
    stored = unchanged(pixels) if result is None else to_stored(result, pixels)
    return write(path.parent, series, 0, stored, None, to)


def test_slices_are_the_third_stored_axis_and_the_affine_points_to_lps(tmp_path: Path) -> None:
    data = ramp(5, 4, 3)
    volume = read_volume(save(tmp_path / "a.nii.gz", data), "MR")
    assert volume.array.shape == (3, 4, 5)
    assert volume.array[2, 1, 3] == data[3, 1, 2]
    x, y, z, _ = AFFINE @ [3, 1, 2, 1]
    np.testing.assert_allclose(volume.affine @ [2, 1, 3, 1], [-x, -y, z, 1], rtol=1e-6)
    assert volume.given().spacing == pytest.approx((3.0016662, 1.1, 0.9055385))


def test_frames_of_a_fourth_axis_stand_one_after_the_other(tmp_path: Path) -> None:
    data = ramp(5, 4, 3, 2)
    path = save(tmp_path / "cine.nii", data)
    volume = read_volume(path)
    assert volume.array.shape == (6, 4, 5)
    assert volume.array[4, 1, 3] == data[3, 1, 1, 1]
    (series,) = scan(tmp_path, ["cine.nii"]).series
    assert [[frame.number for frame in group.frames] for group in series.groups] == [
        [0, 3],
        [1, 4],
        [2, 5],
    ]
    second = np.array(series.groups[1].affine) @ [0, 0, 0, 1]
    np.testing.assert_allclose(second, volume.affine @ [1, 0, 0, 1])


def test_modality_comes_from_the_sidecar_then_the_caller_then_nobody(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", ramp(4, 4, 4))
    assert (read_volume(path).modality, read_volume(path).unit) == ("", "au")
    assert (read_volume(path, "CT").unit, read_volume(path, "CT").scale) == ("HU", 4000)
    (tmp_path / "a.json").write_text(json.dumps({"Modality": "PT"}))
    assert (read_volume(path, "CT").modality, read_volume(path, "CT").unit) == ("PT", "Bq/ml")
    (tmp_path / "a.json").write_text("[1, 2")
    with pytest.raises(DataError, match="json"):
        read_volume(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2", "u2", "i4", "u8", "f4", ">f8"])
def test_identity_gives_back_every_byte(tmp_path: Path, dtype: str, kind: Any, ending: str) -> None:
    note = nib.nifti1.Nifti1Extension("comment", b"kept")
    order = ">" if dtype[0] == ">" else "<"
    data = (ramp(5, 4, 3, 2) % 200).astype(dtype)
    image = kind(data, AFFINE, header=kind.header_class(endianness=order), dtype=data.dtype)
    image.header.extensions.append(note)
    path = tmp_path / ("a" + ending)
    image.to_filename(path)
    unpack = gzip.decompress if ending == ".nii.gz" else bytes
    content = unpack(path.read_bytes()) + b"tail"
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    real = read(tmp_path, scan(tmp_path, [path.name]).series[0], 0).real
    for name, result in (("none", None), ("same", real)):
        written = write_nifti(path, result, tmp_path / (name + ending))
        assert unpack((tmp_path / (name + ending)).read_bytes()) == content
        assert written.clamped == 0


@forall(
    slope=st.floats(2**-10, 1024, width=32) | st.floats(-1024, -(2**-10), width=32),
    inter=st.floats(-10000, 10000, width=32),
    seed=st.integers(0, 99),
)
def test_changed_values_are_rounded_to_the_nearest_stored_one(
    slope: float, inter: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nifti")
    rng = np.random.default_rng(seed)
    data = rng.integers(-3000, 3000, (6, 5, 2)).astype(np.int16)
    path = save(folder / "a.nii", data, slope, inter)
    pixels = read(folder, scan(folder, ["a.nii"]).series[0], 0)
    result = pixels.real + np.float32(3.3 * slope)
    result[0] = pixels.real[0]
    write_nifti(path, result, folder / "b.nii")
    header = read_header(folder / "b.nii")
    stored = stored_values(unpacked_whole(folder / "b.nii", header), header)
    assert (stored[0] == pixels.stored[0]).all()
    off = stored[1].astype(float) * header.slope + header.intercept - result[1]
    assert np.abs(off).max() <= abs(slope) * 0.5 + 1e-6 * np.abs(result).max()


def test_values_beyond_the_data_type_are_clamped_and_counted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", ramp(4, 4, 1, dtype=np.uint8))
    result = np.full((1, 4, 4), 2.5, np.float32)
    result[0, 0] = [-7, 300, 3.5, 255]
    written = write_nifti(path, result, tmp_path / "b.nii")
    stored = np.asarray(nib.load(tmp_path / "b.nii").dataobj).T[0]
    assert stored[0].tolist() == [0, 255, 4, 255]
    assert stored[1].tolist() == [2, 2, 2, 2]
    assert written.clamped == 2


def test_two_runs_write_the_same_compressed_bytes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", ramp(6, 5, 4))
    first = write_nifti(path, None, tmp_path / "b.nii.gz")
    second = write_nifti(path, None, tmp_path / "c.nii.gz")
    assert first.sha256 == second.sha256
    assert (tmp_path / "b.nii.gz").read_bytes()[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused(tmp_path: Path, poison: float) -> None:
    data = ramp(4, 4, 3, dtype=np.float32)
    data[1, 1, 2] = poison
    with pytest.raises(DataError, match="slice 2"):
        read_volume(save(tmp_path / "a.nii", data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ramp(4, 4, 3, dtype=np.complex64), "data type 32"),
        (np.zeros((4, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "data type 128"),
        (ramp(4, 4, 3, 2, 2), "5 axes"),
        (ramp(9), "1 axes"),
    ],
)
def test_what_is_no_image_is_skipped_with_its_reason(
    tmp_path: Path, data: Any, reason: str
) -> None:
    save(tmp_path / "a.nii", data)
    (left,) = scan(tmp_path, ["a.nii"]).left_out
    assert left.status == "skipped"
    assert reason in left.reason


def test_maps_are_skipped_unless_included(tmp_path: Path) -> None:
    save(tmp_path / "labels.nii", ramp(4, 4, 3), intent_code=1002)
    (left,) = scan(tmp_path, ["labels.nii"]).left_out
    assert (left.status, left.reason[:4]) == ("skipped", "map:")
    (series,) = scan(tmp_path, ["labels.nii"], include=("map",)).series
    assert series.kinds == ("map",)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_dseg", "map"),
        ("sub-01_ses-2_desc-brain_mask", "map"),
        ("sub-01_T1map", "map"),
        ("sub-01_part-phase_bold", "phase"),
        ("sub-01_phasediff", "phase"),
        ("sub-01_T1w", ""),
        ("patient_mask", ""),  # no BIDS
    ],
)
def test_bids_names_tell_labels_maps_and_phases_from_images(
    tmp_path: Path, name: str, kind: str
) -> None:
    save(tmp_path / f"{name}.nii.gz", ramp(4, 4, 3))
    found = scan(tmp_path, [f"{name}.nii.gz"])
    if kind:
        assert found.left_out[0].reason.startswith(f"{kind}: its BIDS ")
        found = scan(tmp_path, [f"{name}.nii.gz"], include=(kind,))
    assert found.series[0].kinds == ((kind,) if kind else ())


def test_every_file_of_a_folder_is_in_the_record_once(tmp_path: Path) -> None:
    save(tmp_path / "sub-1_T1w.nii.gz", ramp(4, 4, 3))
    for name in ("sub-1_T1w.json", "sub-1_T1w.bval", "other.json", "notes.txt"):
        (tmp_path / name).write_text("{}")
    names = sorted(path.name for path in tmp_path.iterdir())
    found = scan(tmp_path, names)
    recorded = [s.instances[0].path for s in found.series] + [left.path for left in found.left_out]
    assert sorted(recorded) == names
    reasons = {left.path: left.reason for left in found.left_out}
    assert "goes with the image" in reasons["sub-1_T1w.bval"]
    assert "copied" not in reasons["other.json"]
    assert {left.status for left in found.left_out} == {"skipped"}
    assert sidecars(tmp_path, "sub-1_T1w.nii.gz") == ("sub-1_T1w.json", "sub-1_T1w.bval")


DAMAGES = ["empty", "text", "cut", "cut gzip", "damaged gzip", "bomb"]
DAMAGES += ["huge", "negative", "offset", "magic"]  # in the header


def damaged(path: Path, how: str) -> None:
    raw = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_bytes(b"not an image at all" * 40)
    elif how == "cut":
        path.write_bytes(raw[:-5])
    elif how == "cut gzip":
        path.write_bytes(gzip.compress(raw)[:-9])
    elif how == "damaged gzip":
        packed = bytearray(gzip.compress(raw))
        packed[-6] ^= 255  # in the checksum
        path.write_bytes(packed)
    elif how == "bomb":
        path.write_bytes(gzip.compress(raw + bytes(1 << 22)))
    else:  # header fields, little-endian: offset, format, value
        place, form, value = {
            "huge": (42, "<i2", 32000),
            "negative": (44, "<i2", -3),
            "offset": (108, "<f4", 1e9),
            "magic": (344, "S4", b"ni1"),
        }[how]
        field = np.array([value], form).tobytes()
        path.write_bytes(raw[:place] + field + raw[place + len(field) :])


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_fails_with_one_line_and_names_no_content(tmp_path: Path, how: str) -> None:
    path = save(tmp_path / "a.nii", ramp(6, 5, 4), descrip=b"DOE^JANE")
    damaged(path, how)
    with pytest.raises(DataError) as caught:
        read_volume(path)
    assert re.fullmatch(r"a\.nii: [^\n]+", str(caught.value))
    assert "DOE" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_failed(tmp_path: Path) -> None:
    (tmp_path / "a.nii").symlink_to(tmp_path / "nowhere")
    (left,) = scan(tmp_path, ["a.nii"]).left_out
    assert (left.status, left.reason) == ("failed", "cannot be read: No such file or directory")


def test_a_header_that_takes_too_long_fails_alone(tmp_path: Path) -> None:
    """A gzip stream names its file, in a name that does not end: Python reads it byte by byte."""
    save(tmp_path / "good.nii.gz", ramp(4, 4, 3))
    with (tmp_path / "endless.nii.gz").open("wb") as file:
        file.write(b"\x1f\x8b\x08\x08" + bytes(6))
        for _ in range(200):
            file.write(b"x" * (1 << 20))
    with Workers(1, seconds=3) as workers:
        found = scanning.scan(tmp_path, ["endless.nii.gz", "good.nii.gz"], workers)
    assert [series.instances[0].path for series in found.series] == ["good.nii.gz"]
    (left,) = found.left_out
    assert (left.path, left.status) == ("endless.nii.gz", "failed")
    assert "longer than 3 s" in left.reason


@pytest.mark.parametrize("begin", [b"\x1f\x8b\x08\x08" + bytes(6), b""], ids=["gzip", "plain"])
def test_a_name_alone_does_not_make_us_read_a_whole_file(tmp_path: Path, begin: bytes) -> None:
    (tmp_path / "a.hdr.gz").write_bytes(begin + b"x" * (1 << 26))
    before = perf_counter()
    assert not takes(tmp_path, "a.hdr.gz")
    assert perf_counter() - before < 0.5


def test_an_unusable_orientation_falls_back_on_the_voxel_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", ramp(4, 4, 3))
    raw = bytearray(path.read_bytes())
    raw[280:328] = bytes(48)  # sform of zeros
    path.write_bytes(raw)
    assert np.linalg.det(read_volume(path).affine[:3, :3]) != 0


@pytest.mark.parametrize("ending", [".hdr", ".hdr.gz", ".HDR"])
def test_an_image_in_two_files_says_so(tmp_path, ending):
    pair = nib.Nifti1Pair(np.ones((3, 4, 5), np.int16), np.eye(4))
    pair.to_filename(tmp_path / "a.img")
    header = (tmp_path / "a.hdr").read_bytes()
    (tmp_path / "a.hdr").unlink()
    (tmp_path / f"a{ending}").write_bytes(gzip.compress(header) if "gz" in ending else header)
    (tmp_path / "b.img").write_bytes(b"something else")
    assert [takes(tmp_path, name) for name in (f"a{ending}", "a.img", "b.img")] == [
        True,
        True,
        False,
    ]
    found = scan(tmp_path, [f"a{ending}", "a.img"])
    assert {left.status for left in found.left_out} == {"skipped"}
    assert all("make one .nii of both" in left.reason for left in found.left_out)


def test_names_in_capitals_are_nifti_too(tmp_path):
    image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
    (tmp_path / "A.NII").write_bytes(image.to_bytes())
    (tmp_path / "A.json").write_text('{"Modality": "CT"}')
    found = scan(tmp_path, ["A.NII", "A.json"])
    assert [(s.instances[0].path, s.modality) for s in found.series] == [("A.NII", "CT")]
    assert found.left_out[0].reason == "goes with the image beside it"
