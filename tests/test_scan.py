"""From a tree to series: every path once, kinds, order, geometry, UIDs and numbers."""

import os
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid as uids
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import dicoms
from medclean.archive.dicom.headers import Header, read_header
from medclean.archive.dicom.kinds import kind_of
from medclean.archive.dicom.read import read
from medclean.archive.dicom.scan import scan
from medclean.archive.series import Scan
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.files import walk


@pytest.fixture(scope="module")
def workers():
    with Workers(2) as pool:
        yield pool


@pytest.fixture
def find(tmp_path, workers):
    def find(**how) -> Scan:
        return scan(tmp_path, [found.path for found in walk(tmp_path)], workers, **how)

    return find


def header(path: Path) -> Header:
    found = read_header(path.parent, path.name)
    assert isinstance(found, Header), found
    return found


def stacks(found: Scan) -> list[list[int]]:
    """The instances in each group of the only series."""
    (series,) = found.series
    return [[frame.instance for frame in group.frames] for group in series.groups]


# Kinds


@pytest.mark.parametrize(
    ("modality", "elements", "kind"),
    [
        ("CT", {}, ""),
        ("CT", {"RescaleType": None}, ""),
        ("CT", {"RescaleType": "US"}, "map"),
        ("CT", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ("CT", {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "map"),
        ("CT", {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VMI"]}, ""),
        ("CT", {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MAT_SPECIFIC"]}, "map"),
        ("CT", {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, "map"),
        ("MR", {}, ""),
        ("MR", {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase"),
        ("MR", {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "PCA"]}, "phase"),
        ("MR", {"ComplexImageComponent": "REAL"}, "phase"),
        ("MR", {"ComplexImageComponent": "MAGNITUDE"}, ""),
        ("MR", {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "map"),
        ("MR", {"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE", "CSA MIP"]}, "map"),
        ("PT", {}, ""),
        ("PT", {"SeriesType": ["STATIC", "REPROJECTION"]}, "map"),
        ("SC", {}, "secondary"),
        ("SC", {"Modality": "CT", "RescaleType": "HU"}, "secondary"),
        ("CT", {"SOPClassUID": uids.ComputedRadiographyImageStorage}, "other"),
        ("CT", {"SOPClassUID": "1.2.3.4"}, "other"),
    ],
)
def test_kinds(tmp_path, modality, elements, kind):
    found = header(dicoms.save(dicoms.image(modality=modality, **elements), tmp_path / "a"))
    word, why_not = kind_of(found)
    assert word == kind
    assert bool(why_not) == bool(kind)
    assert kind_of(found, ["all"]) == (kind, "")
    assert kind_of(found, [kind]) == (kind, "")


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SOPClassUID": uids.SegmentationStorage}, "not an image object"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not a monochrome integer image"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "not a monochrome"),
    ],
)
def test_what_nothing_lets_in(tmp_path, elements, reason):
    found = header(dicoms.save(dicoms.image(**elements), tmp_path / "a"))
    assert kind_of(found, ["all"])[1].startswith(reason)


def test_our_own_images_are_known(tmp_path):
    item = Dataset()
    item.Manufacturer = "medclean"
    data = dicoms.image(ContributingEquipmentSequence=Sequence([item]))
    found = header(dicoms.save(data, tmp_path / "a"))
    assert kind_of(found)[0] == "own"
    assert kind_of(found, ["own"]) == ("own", "")


# Series


def test_every_path_of_a_scan_is_found_once(tmp_path, find):
    dicoms.series(tmp_path / "ct", 3)
    dicoms.save(dicoms.image(modality="SC", series=2), tmp_path / "screen.dcm")
    (tmp_path / "notes.txt").write_text("none")
    found = find()
    (series,) = found.series
    assert [instance.path for instance in series.instances] == [
        f"ct/{number:04d}.dcm" for number in (1, 2, 3)
    ]
    assert (series.modality, series.unit, series.number) == ("CT", "HU", 1)
    assert {entry.path: entry.status for entry in found.left_out} == {
        "screen.dcm": "skipped",
        "notes.txt": "skipped",
    }
    assert [series.kinds for series in find(include=["secondary"]).series] == [(), ("secondary",)]


def test_a_scan_reports_progress_and_repeats(tmp_path, find):
    dicoms.series(tmp_path, 3)
    looked_at: list[int] = []
    assert find(progress=looked_at.append) == find()
    assert sum(looked_at) == 3


def test_slices_lie_in_order_of_position(tmp_path, find):
    for number, place in enumerate([3, 1, 2], start=1):
        data = dicoms.image(number=number, position=(1.0, 2.0, 2.5 * place))
        dicoms.save(data, tmp_path / f"{number}")
    (group,) = find().series[0].groups
    assert [frame.instance for frame in group.frames] == [1, 2, 0]
    assert group.spacing == (2.5, 0.75, 0.5)


def test_the_affine_of_oblique_slices(tmp_path, find):
    dicoms.series(tmp_path, 4, orientation=dicoms.OBLIQUE, gap=3.0, spacing=(0.75, 0.5))
    (group,) = find().series[0].groups
    affine = np.array(group.affine)
    along_row, along_column = np.array(dicoms.OBLIQUE[:3]), np.array(dicoms.OBLIQUE[3:])
    normal = np.cross(along_row, along_column)
    # PS3.3 C.7.6.2.1.1: P = S + X * column spacing * column index + Y * row spacing * row index
    expected = normal * 3.0 * 2 + along_row * 0.5 * 7 + along_column * 0.75 * 5
    np.testing.assert_allclose((affine @ (2, 5, 7, 1))[:3], expected, atol=1e-4)


def test_a_sheared_stack_keeps_its_shear(tmp_path, find):
    for number in range(3):  # a tilted gantry: slices move along the rows
        data = dicoms.image(number=number, position=(0.0, 0.5 * number, 2.0 * number))
        dicoms.save(data, tmp_path / f"{number}")
    (group,) = find().series[0].groups
    np.testing.assert_allclose(np.array(group.affine)[:3, 0], (0, 0.5, 2), atol=1e-6)


@pytest.mark.parametrize(
    "different",
    [
        {"orientation": dicoms.OBLIQUE},
        {"spacing": (1.0, 1.0)},
        {"EchoTime": "40"},
        {"DiffusionBValue": 1000.0},
        {"ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"]},
        {"stored": dicoms.pattern((8, 8))},
    ],
)
def test_what_differs_is_no_neighbour(tmp_path, find, different):
    dicoms.save(dicoms.image(modality="MR", number=1), tmp_path / "1")
    dicoms.save(dicoms.image(**{"modality": "MR", "number": 2, **different}), tmp_path / "2")
    (series,) = find().series
    assert [len(group.frames) for group in series.groups] == [1, 1]


def test_times_at_all_positions_are_volumes(tmp_path, find):
    for time in range(2):
        for place in range(3):
            number = 3 * time + place + 1
            data = dicoms.image(
                modality="MR",
                number=number,
                position=(0.0, 0.0, float(place)),
                TemporalPositionIdentifier=2 - time,
            )
            dicoms.save(data, tmp_path / f"{number}")
    groups = find().series[0].groups
    assert [[frame.instance for frame in group.frames] for group in groups] == [
        [3, 4, 5],
        [0, 1, 2],
    ]


def test_a_cine_is_one_group_a_position(tmp_path, find):
    for place in range(2):
        for phase in range(3):
            number = 3 * place + phase + 1
            data = dicoms.image(
                modality="MR",
                number=number,
                position=(0.0, 0.0, 8.0 * place),
                TriggerTime=f"{100 - 30 * phase}",
            )
            dicoms.save(data, tmp_path / f"{number}")
    groups = find().series[0].groups
    assert [[frame.instance for frame in group.frames] for group in groups] == [
        [2, 1, 0],
        [5, 4, 3],
    ]


def test_without_geometry_an_image_is_alone(tmp_path, find):
    for number in (1, 2):
        data = dicoms.image(number=number, ImagePositionPatient=None, SpacingBetweenSlices="-4")
        dicoms.save(data, tmp_path / f"{number}")
    groups = find().series[0].groups
    assert [len(group.frames) for group in groups] == [1, 1]
    assert groups[0].affine[:3] == ((0, 0, 0.5, 0), (0, 0.75, 0, 0), (4, 0, 0, 0))


def test_the_same_instance_again_is_no_neighbour(tmp_path, find):
    dicoms.series(tmp_path / "a", 2)
    dicoms.series(tmp_path / "b", 2, syntax=uids.RLELossless)
    found = find()
    assert [instance.occurrence for instance in found.series[0].instances] == [0, 0, 1, 1]
    assert stacks(found) == [[0, 1], [2], [3]]


def test_frames_of_one_file_are_a_group(tmp_path, find):
    data = dicoms.image(dicoms.pattern((4, 9, 8)), SOPClassUID=uids.XRayAngiographicImageStorage)
    dicoms.save(data, tmp_path / "a")
    (series,) = find(include=["other"]).series
    assert [frame.number for frame in series.groups[0].frames] == [0, 1, 2, 3]
    assert (series.modality, series.unit) == ("", "au")
    assert read(tmp_path, series, 0).stored.shape == (4, 9, 8)


EMPTY = dict.fromkeys(
    ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), ""
)


def test_empty_uids_are_made_good(tmp_path, find):
    for folder in ("a", "b"):
        for number in (1, 2):
            data = dicoms.image(number=number, **EMPTY)
            data.file_meta.MediaStorageSOPClassUID = uids.CTImageStorage
            data.file_meta.MediaStorageSOPInstanceUID = dicoms.uid(folder, number)
            dicoms.save(data, tmp_path / folder / f"{number}")
    found = find()
    assert [[instance.path for instance in series.instances] for series in found.series] in (
        [["a/1", "a/2"], ["b/1", "b/2"]],
        [["b/1", "b/2"], ["a/1", "a/2"]],
    )
    series = found.series[0]
    assert all(instance.repaired for instance in series.instances)
    assert {instance.sop_class for instance in series.instances} == {uids.CTImageStorage}
    assert uids.UID(series.study_uid).is_valid
    assert uids.UID(series.series_uid).is_valid
    assert series.study_uid != series.series_uid
    assert find() == found


def test_series_numbers_are_free_and_do_not_depend_on_what_is_selected(tmp_path, find):
    dicoms.series(tmp_path / "a", 1, series=2)
    dicoms.series(tmp_path / "b", 1, series=1002, modality="SC")
    dicoms.series(tmp_path / "c", 1, series="other", SeriesNumber=2)
    dicoms.series(tmp_path / "d", 1, series="none", SeriesNumber=None)
    numbers = {series.instances[0].path[0]: series.derived_number for series in find().series}
    assert set(numbers) == {"a", "c", "d"}
    everything = {s.instances[0].path[0]: s.derived_number for s in find(include=["all"]).series}
    assert numbers.items() <= everything.items()
    assert everything["d"] is None
    assert sorted(filter(None, everything.values())) == [2002, 3002, 4002]


def test_philips_scales_are_used_where_they_differ(tmp_path, find):
    for number, scale in ((1, 0.5), (2, 0.25)):
        data = dicoms.image(
            np.full((4, 4), 100, np.uint16), modality="MR", number=number, slope="3"
        )
        block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", scale)
        dicoms.save(data, tmp_path / f"{number}")
    (series,) = find().series
    values = [read(tmp_path, series, index).real.max() for index in (0, 1)]
    assert values == [200.0, 400.0]  # DV / (RS x SS) = 300 / (3 x SS)


def test_a_lost_worker_costs_the_file_that_it_died_of(tmp_path, monkeypatch, workers):
    dicoms.series(tmp_path, 3)

    class Dying:
        def map(self, look, items):
            for chunk in items:
                if "0002.dcm" in chunk:
                    yield chunk, workers.submit(os.abort)
                else:
                    yield from workers.map(look, [chunk])

    found = scan(tmp_path, [f"000{number}.dcm" for number in (1, 2, 3)], Dying())
    assert len(found.series[0].instances) == 2
    ((path, status, reason),) = ((e.path, e.status, e.reason) for e in found.left_out)
    assert (path, status) == ("0002.dcm", "failed")
    assert "SIGABRT" in reason


def test_a_file_with_impossible_pixels_stays_in_its_series(tmp_path, find):
    dicoms.save(dicoms.image(number=1), tmp_path / "1")
    dicoms.save(dicoms.image(number=2, NumberOfFrames=2**31 - 1), tmp_path / "2")
    found = find()
    assert stacks(found) == [[0], [1]]  # one frame: what it claims is not believed
    with pytest.raises(DataError, match="claims 2147483647 frames"):
        read(tmp_path, found.series[0], 1)
