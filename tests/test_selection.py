"""Which files are asked for: expressions, what they are held against, and lists of paths."""

import gzip
import json

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

import dicoms
from medclean.archive.dicom.headers import read_header
from medclean.archive.selection import MODALITY, PATH, Expression, Selection
from medclean.archive.workers import Workers
from medclean.errors import Exit, NothingToDo, UsageError
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines._inputs import Inputs
from medclean.pipelines._inputs import find as find_in
from medclean.pipelines.denoise import denoise

DESCRIPTION = 0x0008103E
T2 = {MODALITY: ("MR",), DESCRIPTION: ("Ax T2 TSE",), PATH: ("a/1.dcm",)}


def run(study, out, model="identity", **settings):
    studies = study if isinstance(study, tuple) else (study,)
    return denoise(DenoiseJob(studies, model, out=out, **settings), Log(quiet=True))


@pytest.fixture(scope="module")
def workers():
    with Workers(1) as pool:
        yield pool


@pytest.fixture
def find(workers):
    def find(studies, **how):
        return find_in(Inputs.of(studies), workers, Log(quiet=True), **how)

    return find


def reasons(out):
    lines = json.loads((out / "medclean-run" / "manifest.json").read_text())["inputs"]
    return {line["path"]: line["reason"] for line in lines if line["status"] != "done"}


def derived(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*.dcm"))


# Expressions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Modality=MR", True),
        ("Modality=mr", True),
        ("Modality=M", False),
        ("SeriesDescription~t2", True),
        ("SeriesDescription~^t2", False),
        ("Modality=MR,SeriesDescription~t2", True),
        ("Modality=CT,SeriesDescription~t2", False),
        (" Modality = MR , SeriesDescription ~ t2 ", True),
        ("SeriesDescription~[,x]|T{1,2}2", True),
        (r"SeriesDescription=Ax T2\, TSE", False),
        ("path~^a/", True),
        ("0008,103E~tse,(0008,0060)=MR", True),
        ("ProtocolName~.", False),
        ("ProtocolName=", True),
    ],
)
def test_an_expression_holds(text, holds):
    assert Expression.of(text).holds(T2) is holds


@pytest.mark.parametrize(
    ("text", "stated", "holds"),
    [
        ("EchoTime=20", ("20.0",), True),
        ("EchoTime=20", ("200",), False),
        ("PatientID=7", ("007",), False),
        ("ImageType=mip", ("DERIVED", "PRIMARY", "MIP"), True),
        (r"ImageType=DERIVED\\PRIMARY", ("DERIVED", "PRIMARY"), False),
        (r"ImageType~PRIMARY\\M$", ("ORIGINAL", "PRIMARY", "M"), True),
        ("ImageType~^M$", ("ORIGINAL", "PRIMARY", "M"), True),
        (r"SeriesDescription=a\,b", ("A,B",), True),
    ],
)
def test_values_are_compared_as_what_they_are(text, stated, holds):
    expression = Expression.of(text)
    assert expression.holds({expression.conditions[0].key: stated}) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Modalty=MR", "no DICOM keyword 'Modalty'; did you mean 'Modality'"),
        ("modality=MR", "did you mean 'Modality'"),
        ("qqqqqq=1", "write its tag, such as 0019,100A"),
        ("Modality", "expected KEYWORD=VALUE"),
        ("", "expected KEYWORD=VALUE"),
        ("Modality=MR,T2", "expected KEYWORD=VALUE"),
        ("SeriesDescription~T2(", "no regular expression behind ~"),
        ("ReferencedImageSequence=1", "is a sequence"),
        ("PixelData=1", "is binary"),
    ],
)
def test_what_is_no_expression(text, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        Selection.of([text], [])


def test_the_reason_names_the_expression_and_no_value():
    selection = Selection.of(["Modality=CT", "PatientName~doe"], ["SeriesDescription~t2,path~^a"])
    assert selection.refusal(T2) == "deselected by --exclude 'SeriesDescription~t2,path~^a'"
    other = selection.refusal({**T2, DESCRIPTION: ("SECRET",)})
    assert other == "not selected by --select 'Modality=CT' or --select 'PatientName~...'"


def test_what_cannot_be_read_is_judged_by_its_path_alone():
    unread = {PATH: ("a/1.dcm",)}
    for select, exclude, taken in (
        (["Modality=MR"], [], True),
        (["Modality=MR,path~^b"], [], False),
        (["path~^b"], [], False),
        ([], ["Modality=MR,path~^a"], True),
        ([], ["path~^a"], False),
    ):
        by_path = Selection.of(select, exclude).by_path()
        assert (not by_path.refusal(unread)) is taken, (select, exclude)


# What a header says


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_elements_of_every_kind_are_read(tmp_path, syntax):
    data = dicoms.image(
        modality="MR",
        SpecificCharacterSet="ISO_IR 144",
        SeriesDescription="Голова T2",
        DiffusionBValue=1000.0,
        InversionTime="150.0",
    )
    data.private_block(0x0019, "ACME HEADER", create=True).add_new(0x0A, "SH", "fast")
    dicoms.save(data, tmp_path / "a.dcm", *([syntax] if syntax else []))
    dicoms.save(dicoms.image(modality="MR", series=2), tmp_path / "b.dcm")
    for expression in (
        "SeriesDescription~голова",
        "SpecificCharacterSet=ISO_IR 144",
        "DiffusionBValue=1000",
        "InversionTime=150",
        "Rows=37,DiffusionBValue~.",
        "0019,100A=FAST",
        "SeriesInstanceUID=" + data.SeriesInstanceUID,
        "MediaStorageSOPInstanceUID=" + data.SOPInstanceUID,
        "path=A.dcm",
    ):
        wanted = Selection.of([expression], [])
        found = [read_header(tmp_path, name, wanted) for name in ("a.dcm", "b.dcm")]
        assert [bool(header.deselected) for header in found] == [False, True], expression


# Runs


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    dicoms.series(folder / "ct", 3, SeriesDescription="Chest")
    dicoms.series(folder / "t1", 3, series=2, modality="MR", SeriesDescription="Ax T1, 3 mm")
    dicoms.series(folder / "t2", 6, series=3, modality="MR", SeriesDescription="Ax T2")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_series_are_selected_and_what_is_not_says_why(study, tmp_path):
    done = run(study, tmp_path / "out", select=("Modality=MR",), exclude=("SeriesDescription~T1",))
    assert (done.exit, done.done, done.skipped) == (Exit.DONE, 1, 0)
    assert {path.split("/")[0] for path in derived(tmp_path / "out")} == {"t2"}
    why = reasons(tmp_path / "out")
    assert why["ct/0001.dcm"] == "not selected by --select 'Modality=MR'"
    assert why["t1/0002.dcm"] == "deselected by --exclude 'SeriesDescription~T1'"
    assert why["notes.txt"] == "not DICOM"


def test_nothing_selected_is_nothing_to_do(study, tmp_path):
    assert run(study, tmp_path / "out", select=("Modality=PT",)).exit == Exit.NOTHING_TO_DO


def test_instances_are_selected_and_leave_no_gap(study, tmp_path):
    out = tmp_path / "out"
    done = run(study / "t2", out, select=("InstanceNumber~^[135]$",))
    assert (done.exit, done.done, done.files) == (Exit.DONE, 1, 3)
    assert derived(out) == ["0001.dcm", "0003.dcm", "0005.dcm"]
    assert "INCOMPLETE" not in dcmread(out / "0001.dcm").SeriesDescription
    assert reasons(out)["0002.dcm"].startswith("not selected by")
    bad = study / "t2" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    assert run(study / "t2", tmp_path / "bad").exit == Exit.BAD_DATA
    again = run(study / "t2", tmp_path / "good", exclude=("InstanceNumber=2",))
    assert (again.exit, again.files) == (Exit.DONE, 5)


def test_a_selection_may_differ_at_every_start(study, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    run(study, out, "median", select=("Modality=CT",))
    run(study, out, "median", exclude=("Modality=CT",))
    run(study, whole, "median")
    assert derived(out) == derived(whole)
    for path in derived(out):
        assert (out / path).read_bytes() == (whole / path).read_bytes()
    assert run(study, out, "median").exit == Exit.DONE


def test_a_file_that_fails_is_excused_by_its_path_only(study, find):
    (study / "ct" / "0009.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    for select, exclude, status in (
        (["Modality=MR"], [], "failed"),
        ([], ["path~9.dcm$"], "skipped"),
    ):
        found = find([study], selection=Selection.of(select, exclude))
        ((status, reason),) = (
            (left.status, left.reason) for left in found.left_out if left.path == "ct/0009.dcm"
        )
        assert ("path~9" in reason) is (status == "skipped")


def test_nifti_has_a_path_and_a_modality(tmp_path, find):
    for name in ("a.nii", "B.NII.GZ"):
        image = nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)).to_bytes()
        (tmp_path / name).write_bytes(gzip.compress(image) if name.endswith("GZ") else image)
    (tmp_path / "a.json").write_text('{"Modality": "MR"}')
    for expression, paths in (
        ("Modality=MR", ["a.nii"]),
        ("path~^b", ["B.NII.GZ"]),
        ("path~nii", ["B.NII.GZ", "a.nii"]),
        ("Rows=5", []),
    ):
        found = find([tmp_path], selection=Selection.of([expression], []))
        assert [series.instances[0].path for series in found.series] == paths


def test_the_record_holds_no_value_that_a_user_selects_by(study, tmp_path):
    out = tmp_path / "out"
    for path in (study / "ct").iterdir():
        data = dcmread(path)
        data.PatientName = dicoms.PLANTED[0]
        data.save_as(path)
    select = (f"PatientName={dicoms.PLANTED[0]}",)
    assert run(study, out, select=select).done == 1
    said = "".join(p.read_text() for p in (out / "medclean-run").iterdir() if p.is_file())
    assert dicoms.PLANTED[0] not in said
    assert "PatientName=..." in said


# Lists of paths


def test_a_list_names_files_and_folders(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    (tmp_path / "list").write_bytes(b"ct\r\n\nt2/0001.dcm\nt2/0002.dcm\nt2/0001.dcm\nct/0001.dcm\n")
    done = run((), tmp_path / "out", from_file=tmp_path / "list")
    assert (done.done, done.files) == (2, 5)
    assert derived(tmp_path / "out")[-2:] == ["t2/0001.dcm", "t2/0002.dcm"]
    (tmp_path / "zeros").write_bytes(b"t1\0t2\0")
    assert run((study / "ct",), tmp_path / "more", from_file=tmp_path / "zeros").done == 3


def test_a_list_that_makes_no_sense(study, tmp_path):
    (tmp_path / "list").write_text(f"{study}\n{study}/gone\n")
    with pytest.raises(UsageError, match=r"list, line 2: .*gone does not exist"):
        run((), tmp_path / "out", from_file=tmp_path / "list")
    with pytest.raises(UsageError, match="expected a list"):
        run((), tmp_path / "out", from_file=tmp_path / "none")
    (tmp_path / "list").write_text(f"{study}\n")
    with pytest.raises(UsageError, match="-o"):
        run((), None, from_file=tmp_path / "list")
    with pytest.raises(ValueError, match="no STUDY"):
        DenoiseJob((), "identity")
    (tmp_path / "list").write_text("\n")
    with pytest.raises(NothingToDo):
        run((), tmp_path / "out", from_file=tmp_path / "list")
    assert not (tmp_path / "out").exists()


def test_studies_inside_one_another_count_once(study, tmp_path, find):
    (tmp_path / "link").symlink_to(study / "ct")
    (study / "ct" / "again").symlink_to(study / "t2")
    studies = (study / "ct", study, study / "t2" / "0001.dcm", tmp_path / "link")
    assert Inputs.of(studies) == Inputs(study, (study,))
    files = [i.path for series in find(studies).series for i in series.instances]
    assert len(files) == 12
    apart = find((study / "ct", study / "t2"))
    assert len([i.path for series in apart.series for i in series.instances]) == 9


def test_paths_are_relative_to_the_deepest_common_folder(study):
    studies = (study / "ct" / "0001.dcm", study / "t1")
    assert Inputs.of(studies) == Inputs(study, studies)
    with pytest.raises(UsageError, match="where all inputs lie"):
        run(studies, study)
