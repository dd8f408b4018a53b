"""Other grids keep every point of the patient where it is; a bias field goes and comes back."""

from dataclasses import dataclass

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicoms
import phantoms
from medclean.archive.dicom.pet import quantity
from medclean.catalog import NORMALISERS
from medclean.errors import DataError
from medclean.preprocess import bias
from medclean.preprocess.resample import Cropped, Resampled, isotropic, window_about
from medclean.preprocess.stack import Normalised, slabs, spacing_of
from medclean.volume import Given

HALF_LIFE = 6586.2  # s, of fluorine-18


@dataclass(eq=False)
class InMemory:
    """A stack that is there."""

    array: np.ndarray
    affine: np.ndarray

    @property
    def shape(self):
        return self.array.shape

    def slab(self, start, stop):
        return self.array[start:stop]


def oblique(shape=(14, 40, 36), spacing=(1.5, 0.75, 0.5)):
    """A ramp through the patient on a grid along no axis."""
    axes = np.array(dicoms.OBLIQUE).reshape(2, 3)
    normal = np.cross(*axes)
    affine = np.eye(4)
    affine[:3, :3] = np.c_[normal, axes[1], axes[0]] * spacing
    affine[:3, 3] = (-31, 17, 250)
    return InMemory(ramp(affine, shape), affine)


def ramp(affine, shape):
    """A value that says where a voxel lies."""
    x, y, z = affine[:3] @ np.vstack([np.indices(shape).reshape(3, -1), np.ones(np.prod(shape))])
    return (3 * x - 2 * y + 5 * z).reshape(shape).astype(np.float32)


def whole(stack, size=16):
    return np.concatenate([images for _, images in slabs(stack, size)])


@pytest.mark.parametrize(
    "spacing", [(None, 1.0, 1.0), (None, 0.5, 0.5), (1.1, 1.1, 1.1), (3.0, 0.6, 2.0)]
)
def test_a_resampled_volume_lies_where_the_source_lay(spacing):
    source = oblique()
    made = Resampled(source, spacing)
    wanted = [new or old for new, old in zip(spacing, spacing_of(source.affine), strict=True)]
    assert spacing_of(made.affine) == pytest.approx(wanted)
    middles = [stack.affine @ [*(np.array(stack.shape) - 1) / 2, 1] for stack in (source, made)]
    np.testing.assert_allclose(*middles, atol=1e-9)
    rim = [min(side // 4, 8) for side in made.shape]  # where the spline mirrors the ramp
    inside = tuple(slice(edge, side - edge) for edge, side in zip(rim, made.shape, strict=True))
    known = ramp(made.affine, made.shape)
    np.testing.assert_allclose(whole(made)[inside], known[inside], atol=0.05)


def test_a_resampled_volume_is_the_same_in_any_slabs_and_never_rings_beyond_its_source():
    source = oblique()
    source.array = np.where(source.array > np.median(source.array), 1000, 0).astype(np.float32)
    made = isotropic(source, 1.1)
    image = whole(made, made.shape[0])
    np.testing.assert_allclose(whole(made, 3), image, atol=1e-2)
    assert (image.min(), image.max()) == (0, 1000)


def test_what_is_made_coarser_is_blurred_and_not_decimated():
    noise = np.random.default_rng(0).normal(size=(1, 128, 128)).astype(np.float32)
    made = Resampled(InMemory(noise, np.eye(4)), (None, 4.0, 4.0))
    assert made.shape == (1, 32, 32)
    assert whole(made).std() < 0.4 * noise.std()


def test_slices_that_nobody_measured_are_refused():
    with pytest.raises(DataError, match=r"1\.5 mm apart, and --isotropic 0\.5 would invent 3\.0"):
        isotropic(oblique(), 0.5)
    assert isotropic(oblique(), 0.5, force=True).shape[0] == 42
    assert isotropic(oblique(), 1.0).shape[0] == 21


@pytest.mark.parametrize(("top", "left", "size"), [(5, 9, 16), (-4, -6, 48)])
def test_a_window_shows_the_same_places(top, left, size):
    source = oblique()
    made = Cropped(source, top, left, size, -1e6)
    image, known = whole(made), ramp(made.affine, made.shape)
    inside = image > -1e6
    np.testing.assert_allclose(image[inside], known[inside], atol=1e-3)
    _, rows, columns = source.shape
    assert inside[0].sum() == min(size, rows) * min(size, columns)


def test_a_window_is_about_the_body_and_within_the_image():
    assert window_about((10, 20, 29, 59), (100, 100), 32) == (4, 24)
    assert window_about((90, 0, 99, 9), (100, 100), 32) == (68, 0)
    assert window_about((0, 0, 19, 19), (20, 20), 32) == (-6, -6)


@pytest.mark.parametrize("slices", [1, 8])
def test_n4_finds_a_field_and_takes_it_back(slices):
    clean = phantoms.clean("MR", slices, 96)
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    field = np.exp(0.4 * rows - 0.3 * columns * rows).astype(np.float32)
    source = InMemory(clean * field, np.diag([4.0, 2.0, 2.0, 1.0]))
    found = bias.estimate(source)
    body = clean > 100
    given = Given("au", 1.0, (4.0, 2.0, 2.0), "MR")
    n4 = NORMALISERS.make("n4")
    even = Normalised(source, n4, lambda a, b: Given(**vars(given) | {"bias": found.slab(a, b)}))
    before, after = (np.std(np.log(i[body] / clean[body])) for i in (source.array, whole(even)))
    assert after < 0.4 * before
    known = Given(**vars(given) | {"bias": found.slab(0, slices)})
    back = n4.inverse(whole(even), known)
    np.testing.assert_allclose(back, source.array, rtol=1e-6)
    centre = found.affine(source.affine) @ [0, 0, 0, 1]
    assert centre[1:3] == pytest.approx([1.0, 1.0])  # of blocks of 2 x 2 voxels of 2 mm


def test_nothing_but_air_has_no_field():
    found = bias.estimate(InMemory(np.zeros((3, 20, 20), np.float32), np.eye(4)))
    np.testing.assert_array_equal(found.slab(0, 3), 1)


# SUV


def pet(dose="370000000", **elements):
    """Headers of a PET series: 370 MBq an hour before the scan, 70 kg."""
    drug = Dataset()
    drug.RadionuclideTotalDose = dose
    drug.RadionuclideHalfLife = str(HALF_LIFE)
    drug.RadiopharmaceuticalStartTime = "091112.500"
    usual = {
        "CorrectedImage": ["DECY", "ATTN"],
        "RadiopharmaceuticalInformationSequence": Sequence([drug]),
        "FrameReferenceTime": "60000",
    }
    return dicoms.image(modality="PT", **usual | elements)


def factor(hours=1.0, weight=70, dose=370e6):
    return weight * 1000 / (dose * 2 ** (-hours * 3600 / HALF_LIFE))


def test_suv_is_activity_by_what_is_left_of_the_dose_and_weight():
    found = quantity([pet(), pet(number=2)])
    assert (found.unit, found.factor) == ("Bq/ml", 1.0)
    assert found.suv == pytest.approx(factor())
    assert quantity([pet(DecayCorrection="ADMIN")]).suv == pytest.approx(factor(0))
    image = np.full((1, 2, 2), 5000, np.float32)
    given = Given("Bq/ml", 20000.0, (1, 1, 1), "PT", suv=found.suv)
    normal, known = NORMALISERS.make("suv").forward(image, given)
    np.testing.assert_allclose(normal, 5000 * factor(), rtol=1e-6)
    assert (known.unit, known.scale) == ("g/ml", pytest.approx(20000 * factor()))
    np.testing.assert_allclose(NORMALISERS.make("suv").inverse(normal, given), image, rtol=1e-6)


def test_an_injection_before_midnight_was_the_day_before():
    late = pet(SeriesTime="003000", AcquisitionTime="003500", ContentTime="003500")
    late.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "233000"
    assert quantity([late]).suv == pytest.approx(factor())


def test_ge_says_when_the_scan_was_where_the_series_time_is_another():
    header = pet(SeriesTime="180000")
    block = header.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20200304101112.50")
    assert quantity([header]).suv == pytest.approx(factor())


def test_frame_times_say_it_where_nothing_else_does():
    header = pet(SeriesTime="180000", ActualFrameDuration="1000", FrameReferenceTime="500")
    header.AcquisitionTime = "101112.500"
    assert quantity([header]).suv == pytest.approx(factor(), rel=1e-4)


def test_philips_counts_have_factors():
    header = pet(Units="CNTS")
    with pytest.raises(DataError, match="no factor of Philips"):
        quantity([header])
    block = header.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x09, "DS", "2.5")
    assert quantity([header]).factor == 2.5
    assert quantity([header]).suv == pytest.approx(factor())
    block.add_new(0x00, "DS", "0.001")
    assert quantity([header]).suv == pytest.approx(0.001 / 2.5)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PatientWeight": None}, "Patient's Weight"),
        ({"PatientWeight": "0"}, "Patient's Weight"),
        ({"CorrectedImage": ["ATTN"]}, "not corrected for decay"),
        ({"DecayCorrection": "NONE"}, "neither START nor ADMIN"),
        ({"RadiopharmaceuticalInformationSequence": None}, "no Radiopharmaceutical Information"),
        ({"SeriesTime": "", "AcquisitionTime": ""}, "not that of the scan"),
        ({"dose": "370"}, "too small for Bq; MBq?"),
    ],
)
def test_a_missing_field_is_the_reason_why_there_is_no_suv(elements, reason):
    found = quantity([pet(**elements)])
    assert found.suv is None
    assert reason in found.why_not


def test_suv_by_another_measure_is_refused():
    assert quantity([pet(Units="GML")]).unit == "g/ml"
    with pytest.raises(DataError, match="another measure than body weight"):
        quantity([pet(Units="GML", SUVType="LBM")])
