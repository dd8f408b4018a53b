"""Gaps, uneven and sheared stacks, duplicates: what is a neighbour, and what is said."""

import json

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

import dicoms
from derived import series_in
from medclean.archive.dicom.headers import read_header
from medclean.archive.dicom.stacks import missing, sheared, uneven
from medclean.errors import Exit
from medclean.inference.batches import cut
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from multiframes import enhanced, frame


def stack(folder, heights, *, tilt=0.0, **how):
    """Slices at heights along the normal, which move aside by ``tilt`` a mm; in no order."""
    axes = np.array(how.get("orientation", (1, 0, 0, 0, 1, 0))).reshape(2, 3)
    normal = np.cross(*axes)
    for number, height in enumerate(heights):
        place = tuple(normal * height + axes[1] * tilt * height)
        data = dicoms.image(number=len(heights) - number, position=place, **how)
        dicoms.save(data, folder / f"{number}.dcm")


def stacks(series):
    return [[frame.instance for frame in group.frames] for group in series.groups]


@pytest.mark.parametrize(
    ("heights", "gaps"),
    [
        ([0, 2, 4, 6], {}),
        ([0, 2, 6, 8], {1: 1}),
        ([0, 2, 4, 12, 14, 16, 20, 22], {2: 3, 5: 1}),
        ([0, 2.05, 4, 6.02], {}),
        ([0, 2, 6], {}),  # which of the two distances is the usual one?
        ([0, 1, 3, 7, 15], {}),
        ([0, 50], {}),
        ([0], {}),
    ],
)
def test_gaps_of_an_even_stack(heights, gaps):
    assert missing(heights) == gaps


@pytest.mark.parametrize(
    ("heights", "found"),
    [
        ([0, 2, 6], True),
        ([0, 2, 4, 6.8, 8.8, 10.8], True),  # one distance alone, and no gap
        ([0, 2, 4], False),
        ([0, 0.6, 1.3, 1.9, 2.5, 3.1], False),  # 0.625 mm, rounded
        ([0, 50], False),
        ([0], False),
    ],
)
def test_slices_off_an_even_grid_are_told_from_rounding(heights, found):
    assert uneven(heights) == found


def test_a_stack_is_even_on_either_side_of_a_gap(tmp_path):
    stack(tmp_path, [0, 2, 4, 8, 10, 12.8, 14.8])
    (series,) = series_in(tmp_path)
    assert [group.even for group in series.groups] == [True, False]
    assert len(series.notes) == 2


@pytest.mark.parametrize(("aside", "found"), [(0.0, False), (0.005, False), (0.2, True)])
def test_shear_is_told_from_rounding(aside, found):
    places = np.array([[0, aside * z, z] for z in (0.0, 2.0, 4.0)])
    assert sheared(places, np.array([0.0, 0.0, 1.0])) == found


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 0, 1, 0), dicoms.OBLIQUE], ids=["axial", "oblique"]
)
def test_a_gap_parts_neighbours(tmp_path, orientation):
    stack(tmp_path, [0, 2.5, 5, 12.5, 15, 17.5], orientation=orientation)
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 1, 2], [3, 4, 5]]
    assert series.notes == (
        "2 slices missing (places 4 to 5 of 8), as gaps in an even stack show; none is taken for a "
        "neighbour",
    )
    windows = [window for part in cut(series, batch=4, context=3) for window in part.windows]
    assert [[frame.instance for frame in window] for window in windows][2:4] == [
        [1, 2, 2],
        [3, 3, 4],
    ]


def test_gaps_are_named_by_their_places(tmp_path):
    heights = [0, 1, 2, 4, 5, *range(9, 17), 18, 20, 22, 24, 26, *range(27, 50)]
    stack(tmp_path, [2.5 * height for height in heights])
    (series,) = series_in(tmp_path)
    (note,) = series.notes
    assert note.startswith(
        "9 slices missing (place 4 of 50, places 7 to 9 of 50, place 18 of 50, place 20 of 50, "
        "place 22 of 50, and others), as gaps"
    )
    assert [(g.first, g.places) for g in series.groups][:3] == [(1, 50), (5, 50), (10, 50)]


@pytest.mark.parametrize("damage", ["header", "pixels"])
def test_a_damaged_slice_is_a_gap_with_a_name(tmp_path, capsys, damage):
    """Place 4 of 7 is not there, and 5 is there, but cannot be read."""
    stack(tmp_path / "in", [0, 2.5, 5, 10, 12.5, 15])
    path = tmp_path / "in" / "3.dcm"
    if damage == "header":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        dicoms.save(dcmread(path), path, RLELossless)
        head, item, packed = path.read_bytes().rpartition(b"\xfe\xff\x00\xe0")
        path.write_bytes(head + item + packed[:4] + b"\xff" * 64 + packed[68:])  # where parts begin
    (series,) = series_in(tmp_path / "in")
    assert stacks(series) == (
        [[0, 1, 2], [3], [4, 5]] if damage == "header" else [[0, 1, 2], [3, 4, 5]]
    )
    assert [series.place(file) for file in range(6)] == [
        f"place {place} of 7" for place in (1, 2, 3, 5, 6, 7)
    ]
    assert stacks(series.without({3})) == [[0, 1, 2], [3, 4]]
    job = DenoiseJob((tmp_path / "in",), "identity", out=tmp_path / "out", allow_gaps=True)
    assert denoise(job, Log()).exit == Exit.PARTIAL
    assert "is incomplete: 3.dcm: " in (said := capsys.readouterr().err)
    assert "(place 5 of 7)" in said
    told = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    (notes,) = [series["notes"] for series in told["series"]]
    assert notes[0].startswith("1 slice missing (place 4 of 7), as gaps")
    assert notes[1].startswith("place 5 of 7 is damaged and left out")
    reasons = {line["path"]: line["reason"] for line in told["inputs"]}
    assert reasons["3.dcm"].endswith("(place 5 of 7)")


def test_what_lies_by_itself_has_no_place(tmp_path):
    stack(tmp_path, [0])
    dicoms.save(dicoms.image(dicoms.pattern((3, 8, 8)), number=9), tmp_path / "many.dcm")
    (series,) = series_in(tmp_path)
    assert [series.place(file) for file in range(2)] == ["", ""]


def test_an_even_oblique_stack_has_nothing_odd(tmp_path):
    stack(tmp_path, [0, 2.5, 5, 7.5], orientation=dicoms.OBLIQUE)
    (series,) = series_in(tmp_path)
    assert (stacks(series), series.notes) == ([[0, 1, 2, 3]], ())


def test_a_tilted_gantry_is_named(tmp_path):
    stack(tmp_path, [0, 2.5, 5], tilt=0.27)
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 1, 2]]
    assert "tilted gantry" in series.notes[0]


def test_a_duplicate_slice_is_no_neighbour(tmp_path):
    stack(tmp_path, [0, 2.5, 2.5, 5])
    (series,) = series_in(tmp_path)
    assert sorted(map(sorted, stacks(series))) == [[0, 2, 3], [1]]


def test_a_missing_time_does_not_mix_volumes(tmp_path):
    for number, (place, time) in enumerate([(0, 1), (0, 2), (1, 2), (2, 1), (2, 2)]):
        data = dicoms.image(
            modality="MR",
            number=number + 1,
            position=(0.0, 0.0, 2.5 * place),
            TemporalPositionIdentifier=time,
        )
        dicoms.save(data, tmp_path / f"{number}.dcm")
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 3], [1, 2, 4]]


@pytest.mark.parametrize(
    "keys",
    [
        {"FrameReferenceTime": "{}000"},
        {"AcquisitionDate": "20240101", "AcquisitionTime": "1000{}0"},
    ],
)
def test_volumes_are_told_by_any_time_that_their_slices_share(tmp_path, keys):
    for number, (place, time) in enumerate([(0, 1), (0, 2), (1, 2), (2, 1), (2, 2)]):
        times = {keyword: value.format(time) for keyword, value in keys.items()}
        place = (0.0, 0.0, 2.5 * place)
        dicoms.save(
            dicoms.image(number=number + 1, position=place, **times), tmp_path / str(number)
        )
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 3], [1, 2, 4]]


@pytest.mark.parametrize("places", [(range(3), range(3)), (range(3), range(2, 5))])
def test_volumes_are_told_by_the_number_of_their_acquisition(tmp_path, places):
    """As where each begins to count anew, and no name of a file has an order."""
    names = iter(np.random.default_rng(0).permutation(6))
    volumes = []
    for acquisition, heights in enumerate(places):
        volumes.append([])
        for place in heights:
            data = dicoms.image(
                number=place + 1, AcquisitionNumber=acquisition, AcquisitionTime=None
            )
            data.SOPInstanceUID = dicoms.uid(acquisition, place)
            volumes[-1].append(int(next(names)))
            dicoms.save(data, tmp_path / str(volumes[-1][-1]))
    (series,) = series_in(tmp_path)
    assert stacks(series) == volumes


def test_frames_are_told_by_the_number_of_their_acquisition(tmp_path):
    numbers = [(0, 2), (2.5, 1), (0, 1), (2.5, 2), (5, 1)]
    frames = [frame(place) for place, _ in numbers]
    for groups, (_, number) in zip(frames, numbers, strict=True):
        groups.FrameContentSequence[0].FrameAcquisitionNumber = number
    dicoms.save(enhanced(frames), tmp_path / "a")
    (series,) = series_in(tmp_path)
    assert [[f.number for f in group.frames] for group in series.groups] == [[2, 1, 4], [0, 3]]


def test_images_without_any_order_make_no_volumes(tmp_path):
    for number, place in enumerate([0, 0, 1, 1]):
        data = dicoms.image(number=place + 1, AcquisitionTime=None, AcquisitionDate=None)
        data.SOPInstanceUID = dicoms.uid(number)
        dicoms.save(data, tmp_path / str(number))
    (series,) = series_in(tmp_path)
    assert sorted(stacks(series)) == [[0], [1], [2], [3]]
    assert any(note.startswith("4 images lie where others do") for note in series.notes)


def test_images_that_nothing_tells_apart_are_by_themselves(tmp_path):
    for number, place in enumerate([0, 0, 1, 2, 2]):
        position = (0.0, 0.0, 2.5 * place)
        dicoms.save(dicoms.image(number=number + 1, position=position), tmp_path / str(number))
    (series,) = series_in(tmp_path)
    assert sorted(stacks(series)) == [[0], [1], [2], [3], [4]]
    assert any(note.startswith("5 images lie where others do") for note in series.notes)


def test_stations_of_a_table_are_apart(tmp_path):
    for number, (place, aside) in enumerate([(0, 0), (0, 300), (1, 300), (2, 0), (2, 300)]):
        position = (0.0, float(aside), 2.5 * place)
        dicoms.save(dicoms.image(number=number + 1, position=position), tmp_path / str(number))
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 3], [1, 2, 4]]
    singles = tmp_path / "singles"
    for number, aside in enumerate([0, 300]):
        position = (0.0, float(aside), 0.0)
        dicoms.save(dicoms.image(number=number + 1, position=position), singles / str(number))
    (series,) = series_in(singles)
    assert stacks(series) == [[0], [1]]


@pytest.mark.parametrize(
    ("group", "creator", "number", "vr", "values"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", ("0", "1000")),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", (["1000000000", "8"], ["1000000800", "8"])),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", (0.0, 800.0)),
    ],
)
def test_b_values_of_vendors_are_told_apart(tmp_path, group, creator, number, vr, values):
    for place in range(2):
        for index, value in enumerate(values):
            data = dicoms.image(
                modality="MR", number=2 * place + index + 1, position=(0.0, 0.0, 2.5 * place)
            )
            data.private_block(group, creator, create=True).add_new(number, vr, value)
            dicoms.save(data, tmp_path / f"{place}-{index}.dcm")
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 2], [1, 3]]


def test_repetition_times_that_the_heart_sets_part_nothing(tmp_path):
    for place, time in enumerate(("812", "830", "801", "830", "845")):
        data = dicoms.image(
            modality="MR", number=place + 1, position=(0.0, 0.0, 2.5 * place), RepetitionTime=time
        )
        dicoms.save(data, tmp_path / f"{place}.dcm")
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 1, 2, 3, 4]]


def test_jitter_of_repetition_times_parts_nothing(tmp_path):
    times = ("2000", "6000", "2001", "6000", "2000.5", "6010", "2000", "6000", "2001", "6010")
    for number, time in enumerate(times):
        position = (0.0, 0.0, 2.5 * (number // 2))
        data = dicoms.image(modality="MR", number=number, position=position, RepetitionTime=time)
        dicoms.save(data, tmp_path / f"{number}")
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


APART = {  # what may differ between images that are alike in all else; "" leaves it out
    "echo": {"EchoNumbers": ("1", "2"), "EchoTime": ("", "")},
    "flip angle": {"FlipAngle": ("5", "15")},
    "repetition time": {"RepetitionTime": ("500", "3000")},
    "b-value in a name": {"SequenceName": ("*ep_b0", "ep_b1000#1")},
    "direction in a name": {"SequenceName": ("ep_b1000#1", "ep_b1000#12")},
    "trace in a name": {"SequenceName": ("ep_b1000#1", "ep_b1000t")},
    "pulse sequence": {"SequenceName": ("*fl2d1", "*tse2d1_11")},
    "magnetization transfer": {"SequenceVariant": ("SK", ["MTC", "SK"])},
    "fat saturation": {"ScanOptions": ("", "FS")},
    "coil": {"ReceiveCoilName": ("HE1", "HE2")},
    "contrast agent": {"ContrastBolusAgent": ("", "Gd")},
    "patient": {"PatientID": ("1", "2")},
    "tube voltage": {"KVP": ("80", "140")},
    "kernel": {"ConvolutionKernel": ("Br40", "Br64")},
    "cardiac phase": {"NominalPercentageOfCardiacPhase": (30.0, 75.0)},
}


@pytest.mark.parametrize("what", APART)
def test_images_that_one_element_tells_apart_never_mix(tmp_path, what):
    """Nor where they come in another order at each position, or at different positions."""
    modality = "CT" if what in ("tube voltage", "kernel", "cardiac phase") else "MR"
    for number, (place, kind) in enumerate([(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (3, 1)], 1):
        elements = {keyword: values[kind] or None for keyword, values in APART[what].items()}
        position = (0.0, 0.0, 2.5 * place)
        data = dicoms.image(modality=modality, number=number, position=position, **elements)
        data.AcquisitionTime = "100000"
        dicoms.save(data, tmp_path / f"{number}")
    (series,) = series_in(tmp_path)
    assert stacks(series) == [[0, 3, 4], [1, 2, 5]]


def test_several_patients_of_one_series_are_named(tmp_path):
    for number in (1, 2):
        data = dicoms.image(number=number, PatientID=f"{number}")
        dicoms.save(data, tmp_path / f"{number}")
    (series,) = series_in(tmp_path)
    assert any("several patients" in note for note in series.notes)


def test_images_of_another_modality_are_left_out_of_a_series(tmp_path):
    """Its unit and scale are not theirs; to leave them as they are is right of all of them."""
    dicoms.series(tmp_path / "in" / "ct")
    dicoms.save(dicoms.image(modality="MR", number=9), tmp_path / "in" / "mr")
    for model, status in (("gaussian", "skipped"), ("identity", "done")):
        job = DenoiseJob((tmp_path / "in",), model, out=tmp_path / model)
        assert denoise(job, Log(quiet=True)).exit == Exit.DONE
        told = json.loads((tmp_path / model / "medclean-run" / "manifest.json").read_text())
        (file,) = [file for file in told["inputs"] if file["path"] == "mr"]
        assert file["status"] == status
    assert (tmp_path / "gaussian" / "ct" / "0001.dcm").exists()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_phase_images_of_ge_are_told_by_their_own_element(tmp_path, syntax):
    for kind in range(4):
        data = dicoms.image(
            modality="MR", number=kind + 1, ImageType=["ORIGINAL", "PRIMARY", "OTHER"]
        )
        data.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", kind)
        dicoms.save(data, tmp_path / f"{kind}", syntax)
    (series,) = series_in(tmp_path, include=())
    assert [file.path for file in series.instances] == ["0"]
    (series,) = series_in(tmp_path, include=("phase",))
    assert stacks(series) == [[0], [1], [2], [3]]


DIRECTIONS = ((0.6, -0.8, 0.0), (-0.6, 0.8, 0.0))


def of_vendor(group, creator, *elements):
    """What sets a direction as a vendor does: elements, their VR, and which number they have."""

    def set_to(data, direction):
        block = data.private_block(group, creator, create=True)
        for number, vr, part in elements:
            value = direction if part is None else direction[part]
            block.add_new(number, vr, f"{value:g}" if vr == "DS" else value)

    return set_to


def of_standard(data, direction):
    data.DiffusionGradientOrientation = list(direction)


WAYS = {
    "standard": of_standard,
    "Siemens": of_vendor(0x0019, "SIEMENS MR HEADER", (0x0E, "FD", None)),
    "GE": of_vendor(0x0019, "GEMS_ACQU_01", *((0xBB + k, "DS", k) for k in range(3))),
    "Philips": of_vendor(
        0x2005, "Philips MR Imaging DD 001", *((0xB0 + k, "FL", k) for k in range(3))
    ),
}


def diffusion(folder, way, *, b_value=1000.0, directions=DIRECTIONS):
    """Two positions of each direction, alike in all else; the series."""
    for place in range(2):
        for index, direction in enumerate(directions):
            number = len(directions) * place + index + 1
            data = dicoms.image(modality="MR", number=number, position=(0.0, 0.0, 2.5 * place))
            data.AcquisitionTime = "100000"
            if b_value is not None:
                data.DiffusionBValue = b_value
            WAYS[way](data, list(direction))
            dicoms.save(data, folder / f"{place}-{index}.dcm", ImplicitVRLittleEndian)
    (series,) = series_in(folder)
    return series


@pytest.mark.parametrize("way", WAYS)
def test_directions_of_diffusion_never_mix(tmp_path, way):
    """They would not even if a position has one only of the two."""
    assert stacks(diffusion(tmp_path / "whole", way)) == [[0, 2], [1, 3]]
    diffusion(tmp_path / "part", way)
    (tmp_path / "part" / "0-0.dcm").unlink()
    (tmp_path / "part" / "1-1.dcm").unlink()
    (series,) = series_in(tmp_path / "part")
    assert stacks(series) == [[0], [1]]


@pytest.mark.parametrize("way", WAYS)
def test_without_diffusion_weighting_there_is_no_direction(tmp_path, way):
    diffusion(tmp_path, way, b_value=0.0)
    found = {read_header(tmp_path, path.name).contrast[-3:] for path in tmp_path.iterdir()}
    assert found == {(0.0, "", ())}


@pytest.mark.parametrize("way", sorted({*WAYS} - {"standard"}))
def test_elements_of_vendors_are_no_directions_without_a_b_value(tmp_path, way):
    series = diffusion(tmp_path, way, b_value=None, directions=[(0.1, 0.2, 0.3)])
    (header,) = {read_header(tmp_path, f"{place}-0.dcm").contrast for place in range(2)}
    assert header[-3:] == (None, "", ())
    assert stacks(series) == [[0, 1]]


@pytest.mark.parametrize("stated", [[0.0, 0.0, 0.0], [float("nan"), 0.0, 1.0], [1.0, 0.0]])
def test_what_is_no_direction_tells_nothing(tmp_path, stated):
    data = dicoms.image(modality="MR", DiffusionBValue=1000.0)
    data.DiffusionGradientOrientation = stated
    dicoms.save(data, tmp_path / "a.dcm")
    assert read_header(tmp_path, "a.dcm").contrast[-3:] == (1000.0, "", ())


def test_a_file_left_out_is_a_gap(tmp_path):
    stack(tmp_path, [0, 2.5, 5, 7.5])
    (series,) = series_in(tmp_path)
    assert stacks(series.without({1})) == [[0], [1, 2]]
    assert stacks(series.without({3})) == [[0, 1, 2]]
    left = series.without({1})
    assert [left.place(file) for file in range(3)] == [f"place {n} of 4" for n in (1, 3, 4)]


def test_what_is_odd_is_said_on_screen_and_in_the_manifest(tmp_path, capsys):
    stack(tmp_path / "in", [0, 2.5, 5, 12.5, 15], tilt=0.27)
    job = DenoiseJob((tmp_path / "in",), "identity", out=tmp_path / "out")
    assert denoise(job, Log()).exit == Exit.DONE
    said = [line for line in capsys.readouterr().err.splitlines() if "slices missing" in line]
    assert len(said) == 1
    assert "warning: CT" in said[0]
    assert "tilted gantry" in said[0]
    told = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    (notes,) = [series["notes"] for series in told["series"]]
    assert len(notes) == 2
