"""Siemens MOSAIC: tiles become slices, each in its place, and go back where they were."""

from struct import pack

import numpy as np
import pytest
from pydicom import dcmread

import dicoms
from derived import STEP, Derived, series_in
from medclean.archive.dicom import mosaic
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.read import read
from medclean.errors import Exit
from test_denoise import manifest, run

TYPE = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]


def image(tiles=7, side=3, size=(8, 6), *, stated="element", **how):
    """A mosaic of noisy tiles, and empty ones; its number of tiles stated one way or not."""
    parts = np.zeros((side * side, *size), np.uint16)
    parts[:tiles] = dicoms.pattern((tiles, *size), bits=12)
    data = dicoms.image(
        mosaic.joined(parts)[0], modality="MR", bits=12, ImageType=TYPE, gap=4.0, **how
    )
    data.SpacingBetweenSlices = "4"
    if stated == "element":
        block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", tiles)
    elif stated == "csa":
        block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa_header(tiles))
    elif stated == "damaged":
        block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", b"SV10\4\3\2\1" + b"\xff" * 200)
    return data


def csa_header(tiles):
    """A CSA2 header that holds the number of tiles."""
    text = str(tiles).encode().ljust(8, b"\0")
    item = pack("<4i", 8, 8, 77, 8) + text
    tag = pack("<64si4s3i", b"NumberOfImagesInMosaic", 1, b"US\0\0", 6, 1, 77)
    return b"SV10\4\3\2\1" + pack("<2I", 1, 77) + tag + item


def test_tiles_are_cut_and_joined():
    whole = np.arange(6 * 8).reshape(1, 6, 8)
    parts = mosaic.cut(whole, 4)
    assert parts.shape == (4, 3, 4)
    np.testing.assert_array_equal(parts[1], whole[0, :3, 4:])
    np.testing.assert_array_equal(parts[2], whole[0, 3:, :4])
    np.testing.assert_array_equal(mosaic.joined(parts), whole)


@pytest.mark.parametrize("stated", ["element", "csa"])
def test_each_tile_is_a_slice_in_its_place(tmp_path, stated):
    data = image(stated=stated, position=(10.0, 20.0, 30.0), orientation=dicoms.OBLIQUE)
    dicoms.save(data, tmp_path / "a.dcm")
    (series,) = series_in(tmp_path, [])
    (group,) = series.groups
    assert [(frame.instance, frame.number) for frame in group.frames] == [(0, n) for n in range(7)]
    assert group.shape == (8, 6)
    assert group.spacing == pytest.approx((4.0, 0.75, 0.5))
    along_row, along_column = np.array(dicoms.OBLIQUE[:3]), np.array(dicoms.OBLIQUE[3:])
    # the middle of the mosaic is the middle of the first tile
    corner = (10, 20, 30) + along_column * 0.75 * 8 + along_row * 0.5 * 6
    np.testing.assert_allclose(np.array(group.affine)[:3, 3], corner, atol=1e-6)
    np.testing.assert_allclose(
        np.array(group.affine)[:3, 0], np.cross(along_row, along_column) * 4, atol=1e-6
    )
    pixels = read(tmp_path, series, 0)
    assert pixels.stored.shape == (9, 8, 6)
    np.testing.assert_array_equal(pixels.stored[3], data.pixel_array[8:16, :6])
    (source,) = plan(series, STEP, context=3).sources["a.dcm"]
    assert source.frames == ()


def uncountable(tmp_path, **how):
    dicoms.save(image(**{"stated": "", **how}), tmp_path / "in" / "a.dcm")
    return tmp_path / "in", tmp_path / "out"


@pytest.mark.parametrize("stated", ["", "damaged"])
def test_without_their_number_only_identity_takes_them_as_one_image(tmp_path, stated):
    study, out = uncountable(tmp_path, stated=stated)
    (series,) = series_in(study)
    assert [(len(group.frames), group.shape) for group in series.groups] == [(1, (24, 18))]
    assert run(study, out, "identity", residual=True).exit == Exit.DONE
    np.testing.assert_array_equal(
        dcmread(out / "a.dcm").pixel_array, dcmread(study / "a.dcm").pixel_array
    )
    assert not dcmread(out / "residual" / "a.dcm").pixel_array.any()
    assert run(study, tmp_path / "other", "gaussian").exit == Exit.NOTHING_TO_DO
    (line,) = manifest(tmp_path / "other")["inputs"]
    assert line["reason"].startswith("a mosaic whose tiles cannot be counted")
    assert line["reason"].endswith("only --model identity takes it")


def test_others_of_their_series_are_done_without_them(tmp_path):
    study, out = uncountable(tmp_path)
    dicoms.save(image(size=(20, 16), number=2), study / "b.dcm")
    assert run(study, out, "gaussian:sigma=1").exit == Exit.DONE
    lines = {line["path"]: line for line in manifest(out)["inputs"]}
    assert (lines["a.dcm"]["status"], lines["b.dcm"]["status"]) == ("skipped", "done")
    assert "cannot be counted" in lines["a.dcm"]["reason"]
    assert not dcmread(out / "b.dcm").SeriesDescription.endswith("INCOMPLETE")


@pytest.mark.parametrize("tiles", [0, 17, 60000])
def test_a_number_that_does_not_fit_is_not_believed(tmp_path, tiles):
    data = image()
    data[0x0019100A].value = tiles
    dicoms.save(data, tmp_path / "a.dcm")
    (series,) = series_in(tmp_path)
    assert series.bare


def test_each_tile_is_done_by_itself(tmp_path):
    study, out = tmp_path / "in", tmp_path / "out"
    for number in (1, 2):
        data = image(size=(20, 16), number=number)
        dicoms.save(data, study / "mosaic" / f"{number}.dcm")
    for number, part in enumerate(mosaic.cut(data.pixel_array[None], 7)[:7]):
        alone = dicoms.image(part, modality="MR", bits=12, number=number + 1, series=2, gap=4.0)
        dicoms.save(alone, study / "single" / f"{number}.dcm")
    assert run(study, out, "gaussian:sigma=1", residual=True).exit == Exit.DONE
    made = dcmread(out / "mosaic" / "2.dcm")
    parts = mosaic.cut(made.pixel_array[None], 7)
    singles = [dcmread(out / "single" / f"{number}.dcm").pixel_array for number in range(7)]
    np.testing.assert_array_equal(parts[:7], singles)
    assert not parts[7:].any()
    assert not np.array_equal(made.pixel_array, data.pixel_array)
    assert made.ImageType == ["DERIVED", *TYPE[1:]]
    assert "ReferencedFrameNumber" not in made.SourceImageSequence[0]
    removed = dcmread(out / "residual" / "mosaic" / "2.dcm")
    total = made.pixel_array.astype(int) + removed.pixel_array
    np.testing.assert_array_equal(total, data.pixel_array)
    assert removed.SourceImageSequence[1].ReferencedSOPInstanceUID == made.SOPInstanceUID


def test_identity_gives_back_the_mosaic(tmp_path):
    made = Derived(tmp_path, image())
    np.testing.assert_array_equal(made.data.pixel_array, made.source.pixel_array)
