"""DICOM segmentations as masks and as what is compared, written by highdicom."""

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

import dicoms
from medclean.archive.segmentation.read import read
from medclean.archive.segmentation.scan import scan
from medclean.errors import DataError, Exit
from test_evaluate import _quick, evaluated, nifti, truth, values  # noqa: F401 - pytest uses _quick by its being here

seg = pytest.importorskip("highdicom.seg")

SHAPE = (6, 40, 30)
GRID = np.diag([-0.5, -0.75, 2.5, 1.0])  # of what dicoms writes, as NIfTI has it
ORGANS = (codes.SCT.Liver, codes.SCT.Spleen)
KINDS = ["BINARY", "FRACTIONAL", "LABELMAP"]


@pytest.fixture
def images(tmp_path):
    """A CT series of six slices, 2.5 mm apart, and the same with noise."""
    clean = np.rint(truth(shape=SHAPE) - 500).astype(np.int16)
    noise = np.random.default_rng(0).integers(-40, 40, SHAPE, np.int16)
    for number, (folder, stack) in enumerate((("clean", clean), ("noisy", clean + noise))):
        for place, image in enumerate(stack, 1):
            data = dicoms.image(image, number=place, series=number)
            dicoms.save(data, tmp_path / folder / f"{place}.dcm")
    return tmp_path


def organs(first=2, last=5):
    """Two organs, in some of the slices."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[first:last, 5:20, 4:12] = 1
    labels[first : last - 1, 8:30, 15:26] = 2
    return labels


def write(path, labels, kind="BINARY", organs=ORGANS, source="clean", **changed):
    """As highdicom writes it, which leaves empty planes away."""
    manual = seg.SegmentAlgorithmTypeValues.MANUAL
    pixels = labels
    if kind == "FRACTIONAL":  # where 1 has 0.7, and what 2 has is 0.4 of 1
        pixels = np.stack([(labels == 1) * 0.7 + (labels == 2) * 0.4, (labels == 2) * 0.6], -1)
    written = seg.Segmentation(
        [pydicom.dcmread(path.parent / source / f"{n}.dcm") for n in range(1, SHAPE[0] + 1)],
        pixels,
        kind,
        [
            seg.SegmentDescription(n, str(n), codes.SCT.Organ, code, manual)
            for n, code in enumerate(organs, 1)
        ],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Acme",
        manufacturer_model_name="Pencil",
        software_versions="1",
        device_serial_number="1",
    )
    for keyword, value in changed.items():
        setattr(written, keyword, value)
    written.save_as(path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_segmentation_is_a_mask(images, kind):
    """The figures are those of the same regions in NIfTI, which has all the slices."""
    mask = write(images / "m.dcm", organs(), kind)
    found = evaluated(images / "clean", images / "noisy", mask=mask)
    as_nifti = nifti(images / "m.nii.gz", organs(), modality="", affine=GRID)
    peer = evaluated(images / "clean", images / "noisy", mask=as_nifti)
    assert found.rows == peer.rows
    assert {"mask", "mask 1", "mask 2", "mask 1/2"} < {row.region for row in found.rows}
    assert found.exit == Exit.DONE


def test_planes_may_be_missing_between_others(images):
    labels = organs()
    labels[3] = 0  # SpacingBetweenSlices is stated, or the least distance taken apart
    mask = write(images / "m.dcm", labels)
    found = evaluated(images / "clean", images / "noisy", mask=mask, metrics="bias")
    as_nifti = nifti(images / "m.nii.gz", labels, modality="", affine=GRID)
    peer = evaluated(images / "clean", images / "noisy", mask=as_nifti, metrics="bias")
    assert found.rows == peer.rows


def test_the_axes_of_the_image_may_run_another_way(images):
    """As in NIfTI whose slices run down, and its columns to the right."""
    mask = write(images / "m.dcm", organs())
    peer = evaluated(images / "clean", images / "noisy", mask=mask, metrics="bias")
    turned = np.diag([0.5, -0.75, -2.5, 1.0])
    turned[0, 3], turned[2, 3] = -0.5 * (SHAPE[2] - 1), 2.5 * (SHAPE[0] - 1)
    stacks = []
    for folder in ("clean", "noisy"):
        files = [images / folder / f"{n}.dcm" for n in range(1, SHAPE[0] + 1)]
        stack = np.stack([pydicom.dcmread(file).pixel_array for file in files])
        path = images / f"{folder}.nii.gz"
        stacks.append(nifti(path, stack[::-1, :, ::-1], modality="CT", affine=turned))
    found = evaluated(*stacks, mask=mask, metrics="bias")
    inside = [row.value for row in found.rows if row.region.startswith("mask")]
    assert len(inside) == 3
    assert inside == [row.value for row in peer.rows if row.region.startswith("mask")]


@pytest.mark.parametrize(
    ("last", "change", "why"),
    [
        (5, {"FrameOfReferenceUID": generate_uid()}, "another frame of reference"),
        (6, {}, "5 x 40 x 30"),
    ],
)
def test_a_mask_of_another_place_is_refused(images, last, change, why):
    mask = write(images / "m.dcm", organs(last=last), **change)
    for folder in ("clean", "noisy"):
        (images / folder / "6.dcm").unlink()
    found = evaluated(images / "clean", images / "noisy", mask=mask)
    assert [why in gap.why for gap in found.gaps if gap.result == "mask"] == [True]
    assert {row.region for row in found.rows} == {"image", "body"}
    assert found.exit == Exit.PARTIAL


def test_segmentations_are_compared_with_each_other_and_with_nifti(images):
    """Each has planes that the other has not; the slices between and beyond are empty."""
    one, other = organs(1, 4), organs(2, 6)
    results = {
        "dicom": write(images / "network.dcm", other),
        "nifti": nifti(images / "network.nii.gz", other, modality="", affine=GRID),
    }
    reference = write(images / "truth.dcm", one)
    whole = nifti(images / "truth.nii.gz", one, modality="", affine=GRID)
    peer = evaluated(whole, results["nifti"], labels=True)
    assert values(peer, "dice", "label 1") == [pytest.approx(2 * 2 / (3 + 4))]
    assert len(peer.rows) == 10
    found = evaluated(whole, results["dicom"], labels=True)
    assert [row[2:] for row in found.rows] == [row[2:] for row in peer.rows]
    for result in (results["dicom"], results["nifti"]):
        found = evaluated(reference, result, labels=True)
        assert [row[3:] for row in found.rows] == [row[3:] for row in peer.rows]


def test_a_number_that_means_another_organ_is_refused(images):
    one = write(images / "truth.dcm", organs())
    two = write(images / "network.dcm", organs(), organs=ORGANS[::-1])
    with pytest.raises(DataError, match="segment 1 is another structure"):
        evaluated(one, two, labels=True)


def test_segments_that_overlap_are_refused(images):
    labels = np.stack([organs() == 1, organs() > 0], axis=-1).astype(np.uint8)
    write(images / "m.dcm", labels)
    (series,) = scan(images, ["m.dcm"]).series
    with pytest.raises(DataError, match="overlap"):
        read(images, series, 0)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PerFrameFunctionalGroupsSequence", []),
        ("SharedFunctionalGroupsSequence", []),
    ],
)
def test_one_that_lies_nowhere_fails(images, keyword, value):
    write(images / "m.dcm", organs(), **{keyword: value})
    found = scan(images, ["m.dcm", "clean/1.dcm"])
    assert [(left.path, left.status) for left in found.left_out] == [("m.dcm", "failed")]
    assert not found.series
