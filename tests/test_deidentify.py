"""``--deidentify``: whose images they are stands nowhere, and they are still what they were."""

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import DataElement, dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

import dicoms
from derived import Derived
from medclean import cli
from medclean.archive.dicom import profile
from medclean.archive.dicom.deidentify import Deidentification
from medclean.archive.dicom.elements import tag_of
from medclean.archive.dicom.pet import quantity
from medclean.archive.pseudonyms import Pseudonyms
from medclean.errors import DataError, Exit, UsageError
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.prepare import PrepareJob
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log
from medclean.pipelines.add_noise import add_noise
from medclean.pipelines.denoise import denoise
from medclean.pipelines.dry_run import dry_run
from medclean.pipelines.prepare import prepare
from medclean.pipelines.undersample import undersample
from multiframes import enhanced, frame
from peers import news
from planted import Planting
from rules.hidden import hidden
from rules.pair import Pair
from rules.standard import standard

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of what is planted
KEYS = {name: name.encode() * 32 for name in "ab"}
HOW = Deidentification(Pseudonyms(KEYS["a"]), "patient", "0.1.0")
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UN", "UR", "UT", "OB"}
MODALITIES = ("CT", "MR", "PT")


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(KEYS["a"])
    return path


@pytest.fixture
def run(tmp_path, key, no_processes):
    """Denoise in this process; returns the tally."""

    def made(study, out="out", model="identity", **how):
        how = {"key": key, "deidentify": True, **how}
        return denoise(DenoiseJob((study,), model, out=tmp_path / out, **how), Log(quiet=True))

    return made


def outputs(out):
    """All files but the record, by path."""
    found = (path for path in out.rglob("*") if path.is_file() and "medclean-run" not in path.parts)
    return {str(path.relative_to(out)): path for path in sorted(found)}


def read(out):
    return [dcmread(path) for path in outputs(out).values()]


def manifest(out):
    return json.loads((out / "medclean-run" / "manifest.json").read_text())


def may_hold(keyword, vr):
    """Elements whose text goes: all but what tells techniques, coded terms and classes."""
    kept = profile.KEPT_TEXT | {"CodingSchemeUID"}
    return vr in TEXTS and keyword not in kept and not keyword.endswith("ClassUID")


def plant(planting, folder, *, slices=2, syntax=ImplicitVRLittleEndian, make=dicoms.image, **how):
    """A series with identifiers in all its elements, whose files and folders have names too."""
    study, series, place, patient = (str(planting.value(vr)) for vr in ("UI", "UI", "UI", "LO"))
    for number in range(1, slices + 1):
        data = make(number=number, private=True, bits=12, **how)
        planting.everywhere(data, only=may_hold)
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID, data.PatientID, data.IssuerOfPatientID = place, patient, "Arkham"
        data.PatientBirthDate = planting.value("DA")
        data.EthnicGroup = str(planting.value("SH"))
        text = planting.value("CS")  # where a number should be
        data.add(DataElement("PatientSize", "DS", text, already_converted=True))
        data.ReferencedImageSequence = [reference(str(planting.value("UI")))]
        data.ProcedureCodeSequence = [local_code(planting)]
        data.AnatomicRegionSequence = [local_code(planting)]
        dicoms.save(
            data, folder / str(planting.value("LO")) / f"{planting.value('LO')}.dcm", syntax
        )


def reference(uid):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dicoms.CLASSES["CT"], uid
    return item


def local_code(planting):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = planting.value("SH"), "99ARKHAM"
    item.CodeMeaning = planting.value("LO")
    return item


def of_frames(number, private=False, **how):
    return enhanced([frame(10.0 * number), frame(10.0 * number + 2.5)], **how)


def test_nothing_planted_is_left(tmp_path, key, monkeypatch, capfd, no_processes):
    planting, study = Planting(), tmp_path / "study"
    for modality in MODALITIES:
        plant(planting, study, modality=modality)
        plant(planting, study, modality=modality, make=of_frames, slices=1)
    plant(planting, study, modality="CT", syntax=RLELossless)
    (study / f"{planting.value('LO')}.txt").write_text("no image")
    (study / f"{planting.value('LO')}.dcm").write_bytes(b"\0" * 128 + b"DICM broken")
    monkeypatch.setattr(cli, "heed_signals", lambda: None)
    chosen = f"path~{planting.value('LO')}"
    words = ["--deidentify", "--key", key, "--residual", "--exclude", chosen, "--model", "median"]
    out = tmp_path / "out"
    monkeypatch.setattr(
        sys, "argv", [str(w) for w in ("medclean", "denoise", study, "-o", out, *words)]
    )
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capfd.readouterr()
    texts = [*said, *(str(path.relative_to(out)) for path in out.rglob("*"))]
    texts += [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert len(planting.all) > 22
    assert planting.found_in(texts) == []
    assert left.value.code == Exit.PARTIAL  # of the broken file
    assert len(outputs(out)) == 2 * (len(MODALITIES) * 3 + 2), said.err


def test_the_search_finds_what_is_left(tmp_path, key, no_processes):
    """Else the test above would prove nothing."""
    planting, study = Planting(), tmp_path / "study"
    plant(planting, study)
    job = DenoiseJob((study,), "identity", out=tmp_path / "out")
    denoise(job, Log(quiet=True))
    found = planting.found_in(path.read_bytes() for path in outputs(tmp_path / "out").values())
    assert len(found) > 22


@pytest.mark.parametrize("modality", MODALITIES)
def test_pixels_and_numbers_stay(tmp_path, run, modality):
    study = tmp_path / "study"
    dicoms.series(study, modality=modality)
    run(study, model="median")
    run(study, "plain", model="median", deidentify=False, key=None)
    pairs = zip(read(tmp_path / "out"), read(tmp_path / "plain"), strict=True)
    for veiled, plain in pairs:
        assert veiled.PixelData == plain.PixelData
        for keyword in ("RescaleSlope", "ImagePositionPatient", "SeriesTime", "Manufacturer"):
            assert veiled.get(keyword) == plain.get(keyword)


def test_simulated_images_are_hidden_too(tmp_path, key, no_processes):
    planting, out = Planting(), tmp_path / "out"
    plant(planting, tmp_path / "study", modality="MR")
    how = {"out": out, "deidentify": True, "key": key}
    noise = AddNoiseJob((tmp_path / "study",), noise=("rician:sigma=0.1",), **how)
    assert add_noise(noise, Log(quiet=True)).done == 1
    found = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert planting.found_in(found) == []
    assert {data.SeriesDescription.split()[0] for data in read(out)} == {"SIMULATED"}
    how["out"] = tmp_path / "sparse"
    mask = UndersampleJob((tmp_path / "study",), mask="gaussian-1d:ratio=0.3", **how)
    assert undersample(mask, Log(quiet=True)).done == 1
    paths = [path for path in how["out"].rglob("*") if path.is_file()]
    assert planting.found_in([*map(str, paths), *(path.read_bytes() for path in paths)]) == []


def test_a_dry_run_names_nobody(tmp_path, key, no_processes):
    dicoms.series(tmp_path / "study" / "Jane Doe")
    how = {"out": tmp_path / "out", "deidentify": True, "key": key, "dry_run": True}
    outlook = dry_run(DenoiseJob((tmp_path / "study",), "identity", **how), Log(quiet=True))
    assert "Jane" not in repr(outlook)
    assert [i.status for i in outlook.inputs] == ["pending"] * 3


def test_one_key_gives_the_same_bytes_and_another_other_names(tmp_path, key, run):
    study = tmp_path / "study"
    dicoms.series(study, PatientID="4711")
    run(study, "one")
    run(study, "two")
    key.write_bytes(KEYS["b"])
    run(study, "other")
    one, two, other = (outputs(tmp_path / name) for name in ("one", "two", "other"))
    assert one.keys() == two.keys()
    assert one.keys().isdisjoint(other)
    assert [p.read_bytes() for p in one.values()] == [p.read_bytes() for p in two.values()]
    mine, theirs = read(tmp_path / "one"), read(tmp_path / "other")
    for keyword in ("StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert {d[keyword].value for d in mine}.isdisjoint(d[keyword].value for d in theirs)


def test_what_belongs_together_still_does_from_run_to_run(tmp_path, run):
    for name, modality, study in (("ct", "CT", 1), ("mr", "MR", 1), ("pt", "PT", 2)):
        for number, data in enumerate((1, 2), 1):
            image = dicoms.image(number=data, modality=modality, series=name, study=study)
            image.PatientID = "4711"
            dicoms.save(image, tmp_path / "study" / name / f"{number}.dcm")
        run(tmp_path / "study" / name, name)
    ct, mr, pt = (read(tmp_path / name)[0] for name in ("ct", "mr", "pt"))
    assert (ct.StudyInstanceUID, ct.FrameOfReferenceUID) == (
        mr.StudyInstanceUID,
        mr.FrameOfReferenceUID,
    )
    assert ct.StudyInstanceUID != pt.StudyInstanceUID
    assert ct.PatientID == mr.PatientID == pt.PatientID in str(ct.PatientName)
    folders = [next(iter(outputs(tmp_path / name))).split("/") for name in ("ct", "mr", "pt")]
    assert len({folder[0] for folder in folders}) == 1
    assert folders[0][1] == folders[1][1] != folders[2][1]
    assert ct.StudyDate == mr.StudyDate == pt.StudyDate != "20200304"


def test_a_residual_refers_to_what_was_written(tmp_path, run):
    dicoms.series(tmp_path / "study", private=True, bits=12)
    run(tmp_path / "study", residual=True, model="median")
    found = {str(d.SOPInstanceUID): d for d in read(tmp_path / "out")}
    removed = [d for d in found.values() if len(d.SourceImageSequence) == 2]
    assert len(removed) == 3
    for data in removed:
        named = [str(item.ReferencedSOPInstanceUID) for item in data.SourceImageSequence]
        assert named[1] in found
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID


@pytest.mark.parametrize("keep", [False, True])
def test_dates_move_alike_and_times_stay(tmp_path, keep):
    data = dicoms.image(
        AcquisitionDateTime="20200305101112.5+0100", PatientBirthDate="19640229", SeriesDate="2020"
    )
    how = Deidentification(HOW.pseudonyms, "patient", "0.1.0", keep_dates=keep)
    made = Derived(tmp_path, data, deidentification=how).data
    moved = days(made.StudyDate) - days("20200304")
    assert moved == (0 if keep else HOW.pseudonyms.days("patient"))
    assert days(made.AcquisitionDateTime[:8]) - days("20200305") == moved
    assert made.AcquisitionDateTime[8:] == "101112.5+0100"
    assert (made.StudyTime, made.PatientBirthDate, made.SeriesDate) == ("101112.5", "", "")
    stated = [item.CodeValue for item in made.DeidentificationMethodCodeSequence]
    assert stated == ["113100", "113106" if keep else "113107"]
    assert made.LongitudinalTemporalInformationModified == ("UNMODIFIED" if keep else "MODIFIED")
    assert made.PatientIdentityRemoved == "YES"


def days(text):
    return datetime.strptime(text, "%Y%m%d").toordinal()


def test_suv_computes_as_before(tmp_path):
    dose = Dataset()
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = "370000000", "6586.2"
    dose.RadiopharmaceuticalStartDateTime = "20200304091112"
    dose.RadiopharmaceuticalStartTime, dose.Radiopharmaceutical = "091112", "FDG"
    data = dicoms.image(modality="PT", PatientAge="093Y", PatientSex="F", PatientSize="1.7")
    data.RadiopharmaceuticalInformationSequence = Sequence([dose])
    block = data.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.01")
    block.add_new(0x01, "LO", "Jane")
    how = Deidentification(HOW.pseudonyms, "patient", "0.1.0", characteristics=True)
    made = Derived(tmp_path, data, deidentification=how)
    assert quantity([made.data]).suv == quantity([made.source]).suv is not None
    assert (made.data.PatientWeight, made.data.PatientAge) == (70, "090Y")
    assert made.data[0x70531000].value == 0.01
    assert 0x70531001 not in made.data
    stated = [item.CodeValue for item in made.data.DeidentificationMethodCodeSequence]
    assert stated == ["113100", "113107", "113108", "113111"]


def test_the_terms_are_those_of_the_standard(tmp_path):
    data = dicoms.image(modality="PT", planted=True)
    how = Deidentification(HOW.pseudonyms, "patient", "0.1.0", characteristics=True)
    made = Derived(tmp_path, data, deidentification=how).data
    known = {
        code.value: code.meaning
        for code in (getattr(codes.CID7050, n) for n in codes.CID7050.dir())
    }
    for item in made.DeidentificationMethodCodeSequence:
        assert known[item.CodeValue] == item.CodeMeaning
    assert (
        made.ContributingEquipmentSequence[-1].PurposeOfReferenceCodeSequence[0].CodeValue
        == "109104"
    )


@pytest.mark.parametrize("keyword", ["Manufacturer", "SequenceName", "BodyPartExamined"])
@pytest.mark.parametrize("word", ["STRANGELOVE", "471108"])
def test_what_is_still_said_stops_a_file(tmp_path, keyword, word):
    data = dicoms.image(modality="MR", PatientName=f"{word}^A", **{keyword: f"of {word}"})
    with pytest.raises(DataError, match=f"{keyword} would still say"):
        Derived(tmp_path, data, deidentification=HOW)


def test_a_part_of_a_number_is_no_identifier(tmp_path):
    data = dicoms.image(PatientID="471108", ImagePositionPatient=["1.471108", "0", "0"])
    assert Derived(tmp_path, data, deidentification=HOW).data.ImagePositionPatient[0] == 1.471108


def test_what_cannot_be_hidden_is_left_out(tmp_path, run):
    study = tmp_path / "study"
    dicoms.series(study / "burned", series=1, BurnedInAnnotation="YES")
    dicoms.series(study / "sc", series=2, modality="SC")
    for number in (1, 2):
        data = dicoms.image(series=3, number=number, PatientID=f"4711{number}")
        dicoms.save(data, study / "mixed" / f"{number}.dcm")
    nibabel.Nifti1Image(np.zeros((4, 4, 4), "i2"), np.eye(4)).to_filename(study / "a.nii.gz")
    dicoms.series(study / "good", series=5)
    how = {"include": ("all",), "modality": "MR"}
    run(study, **how)
    inputs = manifest(tmp_path / "out")["inputs"]
    reasons = sorted({i["reason"] for i in inputs if i["status"] == "skipped"})
    assert [reason.split(",")[0].split(":")[0] for reason in reasons] == [
        "--deidentify knows DICOM only",
        "its files name several patients",
        "its pixels may show text",
        "its pixels show identifying text",
    ]
    assert len(outputs(tmp_path / "out")) == 3
    run(study, "more", allow_burned_in=True, **how)
    assert len(outputs(tmp_path / "more")) == 9


def test_the_record_knows_hashes_and_goes_on_by_them(tmp_path, run):
    study = tmp_path / "study"
    dicoms.series(study / "jane", PatientID="4711")
    run(study)
    before = {path: file.stat().st_mtime_ns for path, file in outputs(tmp_path / "out").items()}
    first = manifest(tmp_path / "out")["inputs"]
    assert run(study).done == 1
    assert {p: f.stat().st_mtime_ns for p, f in outputs(tmp_path / "out").items()} == before
    names = {HOW.pseudonyms.name("path", f"jane/{n:04}.dcm", 32) for n in (1, 2, 3)}
    assert {i["path"] for i in first} == names
    assert {i["output"] for i in first} == before.keys()
    assert all(i["sha256"] for i in first)
    assert manifest(tmp_path / "out")["inputs"] == first


def test_a_face_is_told_of(tmp_path, run):
    dicoms.series(tmp_path / "study", BodyPartExamined="HEAD")
    run(tmp_path / "study")
    (series,) = manifest(tmp_path / "out")["series"]
    assert "face" in " ".join(series["notes"])


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"key": None}, "needs --key"),
        ({"copy_others": True}, "copy-others"),
        ({"out": None}, "needs --out"),
        ({"deidentify": False, "keep_dates": True}, "keep-dates"),
    ],
)
def test_what_would_tell_is_no_request(tmp_path, how, why):
    how = {"key": Path("key"), "out": tmp_path, "deidentify": True, **how}
    with pytest.raises(ValueError, match=why):
        DenoiseJob((tmp_path,), "identity", **how)


def test_the_key_stays_outside_and_the_same(tmp_path, key, run):
    study, inside = tmp_path / "study", tmp_path / "out" / "key"
    dicoms.series(study)
    inside.parent.mkdir()
    inside.write_bytes(KEYS["a"])
    with pytest.raises(UsageError, match="keep it elsewhere"):
        run(study, key=inside)
    inside.unlink()
    run(study)
    key.write_bytes(KEYS["b"])
    with pytest.raises(UsageError, match="belongs to key"):
        run(study)


@pytest.fixture
def tree(tmp_path, key):
    """Prepare ``study`` and its de-identified tree; returns what became of it."""

    def made(out="tree", **how):
        job = PrepareJob(
            tmp_path / "study",
            tmp_path / "dataset",
            deidentify=tmp_path / out,
            key=key,
            bias="none",
            converter="medclean",
            **how,
        )
        return prepare(job, Log(quiet=True))

    return made


def test_prepare_writes_copies_that_name_nobody(tmp_path, tree):
    planting = Planting()
    for modality in MODALITIES:
        plant(planting, tmp_path / "study", modality=modality)
    plant(planting, tmp_path / "study", modality="MR", make=of_frames, slices=1)
    plant(planting, tmp_path / "study", modality="CT", syntax=RLELossless)
    ended = tree()
    out = tmp_path / "tree"
    texts = [str(path.relative_to(out)) for path in out.rglob("*")]
    texts += [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert planting.found_in(texts) == []
    assert (len(outputs(out)), ended.exit) == (2 * 4 + 1, Exit.DONE)
    inputs = {i["path"]: i for i in manifest(out)["inputs"]}
    for source in (tmp_path / "study").rglob("*.dcm"):
        name = str(source.relative_to(tmp_path / "study"))
        before = dcmread(source)
        after = dcmread(out / inputs[HOW.pseudonyms.name("path", name, 32)]["output"])
        assert after.PixelData == before.PixelData
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        assert list(after.ImageType) == list(before.ImageType)
        assert after.PatientIdentityRemoved == "YES"
    times = {path: path.stat().st_mtime_ns for path in outputs(out).values()}
    assert tree().exit == Exit.DONE
    assert {path: path.stat().st_mtime_ns for path in outputs(out).values()} == times


def test_derived_objects_refer_to_prepared_copies(tmp_path, tree, run):
    dicoms.series(tmp_path / "study", PatientID="4711")
    tree()
    run(tmp_path / "study")
    copies = {data.SOPInstanceUID: data for data in read(tmp_path / "tree")}
    for data in read(tmp_path / "out"):
        source = copies[data.SourceImageSequence[0].ReferencedSOPInstanceUID]
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate"):
            assert data[keyword].value == source[keyword].value


def test_prepare_keeps_places_apart(tmp_path, tree):
    dicoms.series(tmp_path / "study")
    for out in ("study/tree", "dataset/tree", "dataset", "."):
        with pytest.raises(UsageError):
            tree(out)


@pytest.mark.parametrize(
    "spoil",
    [
        {"PatientIdentityRemoved": "NO"},
        {"LongitudinalTemporalInformationModified": "REMOVED"},
        {"PatientName": "Jane"},
        {"AccessionNumber": "4711"},
        {"BurnedInAnnotation": "NO"},
        {"FrameOfReferenceUID": "1.2.3"},
        {"DeidentificationMethodCodeSequence": []},
    ],
)
def test_the_rules_for_such_files_can_be_broken(tmp_path, spoil):
    data = Derived(tmp_path, odd("CT"), deidentification=HOW).data
    assert list(hidden(data)) == []
    for keyword, value in spoil.items():
        setattr(data, keyword, value)
    assert list(hidden(data))


def odd(modality):
    return dicoms.image(
        modality=modality,
        private=True,
        planted=True,
        StudyDescription="of Jane",
        BurnedInAnnotation="NO",
    )


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("make", [odd, lambda modality: of_frames(1, modality=modality)])
def test_dciodvfy_finds_nothing_new(tmp_path, modality, make):
    how = replace(HOW, characteristics=modality == "PT")
    made = Derived(tmp_path, make(modality), deidentification=how)
    assert not news(made.root / "a.dcm", made.to)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("make", [odd, lambda modality: of_frames(1, modality=modality)])
def test_no_element_that_an_object_needs_goes(tmp_path, modality, make):
    how = replace(HOW, characteristics=modality == "PT")
    made = Derived(tmp_path, make(modality), deidentification=how)
    assert tag_of("PatientIdentityRemoved") in made.raw.elements
    assert list(standard(Pair.read(made.root / "a.dcm", made.to))) == []


def test_a_file_that_cannot_be_deidentified_is_a_gap(tmp_path, run):
    study = tmp_path / "study"
    paths = dicoms.series(study, 3, bits=12)
    data = dcmread(paths[1])
    data.HighBit = 12
    data.add_new(0x60000010, "US", 9)  # an overlay, and bits that may be its
    data.save_as(paths[1])
    key = {"key": tmp_path / "key", "deidentify": True}
    job = DenoiseJob((study,), "identity", out=tmp_path / "out", allow_gaps=True, **key)
    foreseen = dry_run(job, Log(quiet=True))
    ended = run(study, allow_gaps=True)
    assert (ended.exit, foreseen.exit, ended.done) == (Exit.PARTIAL, Exit.PARTIAL, 1)
    (failed,) = (
        line for line in manifest(tmp_path / "out")["inputs"] if line["status"] == "failed"
    )
    assert "overlay" in failed["reason"]
    assert len(outputs(tmp_path / "out")) == 2
