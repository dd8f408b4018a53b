"""``medclean report``: what is there is shown, what is missing is said, nobody is named."""

import csv
import json
import re
import shutil
import stat
from base64 import b64decode
from itertools import pairwise

import imagecodecs
import nibabel
import numpy as np
import pytest

import dicoms
from little_dataset import make_dataset, write_image
from medclean.archive.runs import RUN_FOLDER
from medclean.errors import Exit, UsageError
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.prepare import PrepareJob
from medclean.jobs.report import ReportJob
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log
from medclean.pipelines import _own_page
from medclean.pipelines.add_noise import add_noise
from medclean.pipelines.denoise import denoise
from medclean.pipelines.prepare import prepare
from medclean.pipelines.report import report
from medclean.pipelines.undersample import undersample
from medclean.report import graphs
from medclean.report.html import html
from medclean.report.page import Case, Graph, Light, Page, Result, Section
from medclean.report.pictures import spread
from planted import Planting

pytestmark = [pytest.mark.pages, pytest.mark.usefixtures("no_processes")]
QUIET = Log(quiet=True)
PICTURES = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+")


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    dicoms.series(folder / "ct", 3)
    dicoms.series(folder / "mr", 4, series=2, modality="MR")
    (folder / "notes.txt").write_text("not an image")
    return folder


def run(study, model="gaussian", **settings):
    out = settings.pop("out", None) or study.with_name(f"{study.name}-{model}")
    return denoise(DenoiseJob((study,), model, out=out, **settings), QUIET), out


def page(*sources, out=None, **settings):
    out = out or sources[0].parent / "page.html"
    written = report(ReportJob(tuple(sources), out=out, **settings), QUIET)
    return written, out.read_text(encoding="utf-8")


def told(text):
    """All but the pictures."""
    return PICTURES.sub("picture", text)


def views(text):
    """What the script gets of each series."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])["series"]


def journal(out):
    return out / RUN_FOLDER / "journal.jsonl"


def test_a_study_is_shown_with_images_before_and_after(study):
    _, out = run(study)
    written, text = page(out)
    assert written.exit == Exit.DONE
    slices = sorted(len(of[0]["slices"]) for of in views(text).values())
    assert slices == [3, 4]
    assert text.count('data-slot="r"') == 2
    assert "What this page lacks" not in text
    assert "not DICOM" in told(text) or "Files that were not used: 1" in told(text)


def test_nothing_is_asked_of_any_server(study):
    _, out = run(study)
    _, text = page(out)
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", told(text))


def test_a_run_writes_its_own_page(study):
    _, out = run(study)
    text = (out / RUN_FOLDER / "report.html").read_text()
    assert len(views(text)) == 2
    assert re.search(r"drawn in [\d.]+ s, \d+% of the run", text)
    _, other = run(study, out=study.with_name("none"), report=False)
    assert not (other / RUN_FOLDER / "report.html").exists()


def test_a_run_that_hides_names_has_a_page_that_names_nobody(study, tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef")
    _, out = run(study, deidentify=True, key=key, out=tmp_path / "out")
    text = (out / RUN_FOLDER / "report.html").read_text()
    assert sum(len(of[0]["slices"]) for of in views(text).values()) == 7
    assert "Series 2" not in text
    _, later = page(out)  # which file was which is not known any more
    assert all(not of for of in views(later).values())


def test_a_page_that_cannot_be_drawn_fails_no_run(study, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("DOE^JANE")

    monkeypatch.setattr(_own_page.Finished, "read", fail)
    summary = denoise(
        DenoiseJob((study,), "identity", out=study.with_name("out")), Log(quiet=False)
    )
    said = capsys.readouterr().err
    assert summary.exit == Exit.DONE
    assert "no report.html is written: a bug, RuntimeError" in said
    assert "DOE" not in said


def test_other_commands_have_pages_too(tmp_path):
    images, data = make_dataset(tmp_path / "images", patients=4), tmp_path / "data"
    prepare(PrepareJob(images, data), QUIET)
    text = (data / RUN_FOLDER / "report.html").read_text()
    assert told(text).count('data-status="done"') == 4
    out = tmp_path / "sparse"
    undersample(UndersampleJob((images,), mask="equispaced:acceleration=2", out=out), QUIET)
    assert len(views((out / RUN_FOLDER / "report.html").read_text())) == 4


def test_what_is_simulated_has_a_page_too(study):
    out = study.with_name("noisy")
    add_noise(AddNoiseJob((study,), noise=("gaussian:sigma=5%",), out=out), QUIET)
    assert len(views((out / RUN_FOLDER / "report.html").read_text())) == 2


def test_shards_have_pages_of_their_own_and_a_missing_one_is_named(study):
    out = study.with_name("study-array")
    for shard in ("1/3", "2/3"):
        run(study, out=out, shard=shard)
    assert {p.name for p in (out / RUN_FOLDER).glob("report*")} == {
        "report-1-of-3.html",
        "report-2-of-3.html",
    }
    dicoms.series(study / "third", 1, series=3)
    shutil.rmtree(out)
    for shard in ("1/3", "3/3"):
        run(study, out=out, shard=shard)
    written, text = page(out)
    assert written.exit == Exit.PARTIAL
    assert "shard 2 of 3 has left no journal: its 1 series are not told here" in text
    assert told(text).count('data-status="pending"') == 1
    assert told(text).count('data-status="done"') == 2


def test_a_torn_journal_is_a_gap(study):
    _, out = run(study)
    whole = journal(out).read_bytes()
    journal(out).write_bytes(whole[:-40])
    written, text = page(out)
    assert written.exit == Exit.PARTIAL
    assert "the last line of journal.jsonl is torn" in text
    assert "has not come to its end" in text
    assert told(text).count('data-status="done"') == 2


@pytest.mark.parametrize("content", [b"", b"{}\n\xff\xfe", b'{"kind":"commit","series":"x"}\n'])
def test_a_journal_that_says_nothing_gives_a_page_that_says_so(study, content):
    _, out = run(study)
    journal(out).write_bytes(content)
    written, text = page(out)
    assert written.exit == Exit.PARTIAL
    assert "What this page lacks" in text


def test_a_run_without_any_journal_gives_a_page_that_says_so(study):
    _, out = run(study)
    journal(out).unlink()
    written, text = page(out)
    assert (written.exit, "left no journal" in text) == (Exit.PARTIAL, True)


def test_a_folder_that_was_moved_is_shown_with_its_study_named(study, tmp_path):
    _, out = run(study)
    moved = out.rename(tmp_path / "elsewhere")
    study = study.rename(tmp_path / "taken")
    _, alone = page(moved)
    assert views(alone)
    assert all(not of for of in views(alone).values())
    assert "say --study DIR" in alone
    _, text = page(moved, study=(study,))
    assert sum(len(of[0]["slices"]) for of in views(text).values()) == 7


@pytest.mark.breaks_rules
def test_another_study_of_the_same_names_is_not_taken_for_the_source(study):
    _, out = run(study)
    shutil.rmtree(study)
    dicoms.series(study / "ct", 3, study=7)
    dicoms.series(study / "mr", 4, series=2, modality="MR", study=7)
    _, text = page(out)
    assert all(not of for of in views(text).values())


def test_results_that_are_gone_are_said_to_be(study):
    _, out = run(study)
    for path in (out / "ct").iterdir():
        path.unlink()
    _, text = page(out)
    assert "the result is gone" in text
    assert sorted(len(of) for of in views(text).values()) == [0, 1]


def test_failures_have_reasons_without_paths(study):
    broken = study / "ct" / "DOE_JANE.dcm"
    shutil.copy(next((study / "ct").iterdir()), broken)
    cut = sorted((study / "mr").iterdir())[1]
    cut.write_bytes(cut.read_bytes()[:-600])
    broken.unlink()
    summary, out = run(study)
    assert summary.failed == 1
    _, text = page(out)
    assert 'data-status="failed"' in text
    assert "file 2" in told(text)
    assert cut.name not in told(text)
    _, open_ = page(out, identifiable=True)
    assert cut.name in told(open_)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_nothing_that_was_planted_is_in_a_page(tmp_path):
    planting, folder = Planting(), tmp_path / "study"
    planting.series(folder / "ct", study=1)
    planting.series(folder / "mr", modality="MR")
    _, out = run(folder, select=("Modality=CT", "PatientName~DOE", "Modality=MR"))
    own = (out / RUN_FOLDER / "report.html").read_text()
    written, text = page(out)
    assert written.exit == Exit.DONE
    assert views(text)
    for content in (own, text):
        assert not planting.found_in([told(content)])
        assert "PatientName" not in content
        assert "Modality=CT" not in content
    assert "ct" not in re.findall(r'class="reason">([^<]*)', text)


def test_names_that_are_markup_stay_text(study, tmp_path):
    out = tmp_path / "<script>alert(1)<script>"
    run(study, out=out)
    other = tmp_path / "other"
    run(study, out=other, model="identity")
    _, text = page(out, other, study=(study,), out=tmp_path / "page.html", identifiable=True)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_blind_reading_tells_the_methods_nowhere_but_in_the_key(study, tmp_path):
    outs = [run(study, model)[1] for model in ("gaussian", "median")]
    order = {}
    for seed in range(6):
        _, text = page(*outs, blind=True, seed=seed)
        key = tmp_path / "page-key.json"
        names = json.loads(key.read_text())["methods"]
        order[tuple(names.values())] = seed
        assert set(names) == {"A", "B"}
        assert not re.search("gaussian|median|study-", told(text), re.IGNORECASE)
        assert 'data-method="A"' in text
        assert "verdict green" not in text
    assert len(order) == 2  # both orders come up
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    _, text = page(*outs)
    assert 'data-method="median"' in text


def test_a_reference_adds_errors(study, tmp_path):
    _, out = run(study)
    _, text = page(out, reference=study)
    assert text.count('data-slot="e"') == 2
    (first, *_) = views(text)["".join(k for k in views(text))[:12]][0]["slices"]
    assert all(first[5]) or first[5] == [""]


def test_a_page_keeps_to_its_size_and_says_what_it_left_away(tmp_path):
    study = tmp_path / "study"
    noise = np.random.default_rng(0)
    for number in range(12):
        stored = noise.integers(0, 4000, (6, 256, 256)).astype(np.uint16)
        for place, image in enumerate(stored, 1):
            data = dicoms.image(image, modality="MR", series=number + 1, number=place)
            dicoms.save(data, study / str(number) / f"{place}.dcm")
    _, out = run(study, report=False)
    _, text = page(out, max_mb=1)
    assert len(text.encode()) <= 1_000_000
    assert "of 12 series are shown" in text or "have no images here" in text
    assert told(text).count('data-status="done"') == 12


def test_thousands_of_series_are_listed_in_a_page_of_its_size(study):
    _, out = run(study, report=False)
    lines = journal(out).read_text().splitlines()
    more = []
    for number in range(3000):
        key = f"{number:016x}"
        more.append({"kind": "series", "series": key, "inputs": [f"{number}.dcm"], "sources": ""})
        more[-1]["facts"] = {"modality": "MR"}
    journal(out).write_text("\n".join([*lines[:1], *map(json.dumps, more), *lines[1:]]) + "\n")
    _, text = page(out, max_mb=1)
    assert len(text.encode()) <= 1_000_000
    shown = told(text).count("<tr data-series")
    assert f"the table shows {shown} of 3002 series" in text
    report(ReportJob((out,), format="csv", out=out.parent / "all.csv"), QUIET)
    assert len((out.parent / "all.csv").read_text().splitlines()) == 3003


def test_other_directions_of_a_volume_have_its_proportions(tmp_path):
    study = tmp_path / "study"
    write_image(study / "sub-1.nii.gz", shape=(32, 28, 30), spacing=(1, 1, 2))
    _, out = run(study)
    _, text = page(out)
    ((slices, *others),) = views(text).values()
    assert slices["ratio"] == pytest.approx(28 / 32, abs=0.3)
    assert {one["name"] for one in others} == {"coronal", "sagittal"}
    ratios = sorted(one["ratio"] for one in others)
    assert ratios == pytest.approx(sorted([32 / 60, 28 / 60]), rel=1e-3)


def test_pet_is_inverse_and_text_in_pixels_is_not_shown(tmp_path):
    study = tmp_path / "study"
    dicoms.series(study / "pt", 2, modality="PT")
    dicoms.series(study / "ct", 2, series=2, BurnedInAnnotation="YES")
    _, out = run(study)
    _, text = page(out)
    assert ", inverse" in text
    assert "may show text that identifies" in text
    assert sorted(len(of) for of in views(text).values()) == [0, 1]


def test_the_other_formats_tell_the_same(study):
    _, out = run(study)
    rows = list(csv.DictReader(page(out, format="csv", out=out.parent / "a.csv")[1].splitlines()))
    plain = json.loads(page(out, format="json", out=out.parent / "a.json")[1])
    text = page(out, format="md", out=out.parent / "a.md")[1]
    assert [row["series"] for row in rows] == [one["name"] for one in plain["series"]]
    assert {row["status"] for row in rows} == {"done"}
    assert all(row["series"] in text and row["bias"] in text for row in rows)
    assert "not a medical device" in text
    assert "not a medical device" in plain["notice"]


SCORES = "result,patient,case,region,metric,value,unit\n" + "".join(
    f"{name},p{n},c{n},image,{metric},{value + n * step},{unit}\n"
    for name, value in (("noisy", 20), ("ours", 30), ("<b>theirs", 29))
    for n in range(8)
    for metric, unit, step in (("psnr", "dB", 0.5), ("rmse", "HU", -0.25))
)


def test_scores_are_drawn_with_intervals_and_outliers(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(SCORES + "ours,p9,far,image,psnr,90,dB\n")
    written, text = page(path)
    assert written.exit == Exit.DONE
    assert "Box plots of PSNR" in text
    assert "Bland-Altman plot of PSNR" in text
    assert re.search(r"<th scope=\"row\">far</th>.*?PSNR", text)
    assert "<b>theirs" not in text
    mean = (sum(30 + n * 0.5 for n in range(8)) + 90) / 9
    assert f"{mean:.4g} ±" in text


def test_blind_scores_bear_letters(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(SCORES)
    _, text = page(path, blind=True, seed=1)
    assert not re.search("ours|theirs", text)
    assert "noisy" in text


def test_scores_that_are_torn_are_bad_data(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text('{"rows": [{"result": "a"')
    with pytest.raises(Exception, match="not what `medclean evaluate -o` writes") as error:
        page(path)
    assert error.value.status == Exit.BAD_DATA


JOB = 'model = "dgan"\ndataset = "/home/jane"\nsteps = 9\n'


def test_a_training_shows_its_curves_and_torn_rows_are_gaps(tmp_path):
    (tmp_path / "run").mkdir()
    log = "step,lr,critic/wasserstein,generator/content,psnr 0.1\n"
    log += "".join(f"{n},0.1,{1 / n},{2 / n},{20 + n}\n" for n in (1, 2, 3))
    (tmp_path / "run" / "log.csv").write_text(log + "4,0.1,oops")
    (tmp_path / "run" / "job.toml").write_text(JOB)
    written, text = page(tmp_path / "run")
    assert written.exit == Exit.PARTIAL
    assert "line 5 of log.csv is torn" in text
    assert "3 of 9 steps" in text
    assert text.count('<svg viewBox="0 0 420') == 4
    assert "jane" not in text


def test_what_is_no_run_is_refused_with_what_was_expected(tmp_path, study):
    with pytest.raises(UsageError, match="expected a folder with medclean-run/"):
        page(study)
    with pytest.raises(UsageError, match="does not exist"):
        page(tmp_path / "nowhere")
    _, out = run(study)
    with pytest.raises(UsageError, match="is a folder"):
        report(ReportJob((out,), out=tmp_path), QUIET)


def test_nifti_is_shown_in_real_values(tmp_path):
    study = tmp_path / "study"
    write_image(study / "sub-1.nii.gz")
    _, out = run(study)
    _, text = page(out)
    ((view,),) = views(text).values()
    assert len(view["slices"]) == nibabel.load(study / "sub-1.nii.gz").shape[2]


def test_chosen_slices_lie_evenly_and_hold_those_that_must_be_seen():
    places = spread(300, 12, [7, 250])
    assert len(places) == 12
    assert {7, 250} <= {*places}
    assert max(b - a for a, b in pairwise(places)) <= 60
    assert spread(3, 12, [1]) == [0, 1, 2]


def test_folders_that_are_named_after_a_patient_name_nobody(study, tmp_path):
    study = study.rename(tmp_path / "DOE_JANE")
    outs = [run(study, model)[1] for model in ("gaussian", "median")]
    outs.append(run(study, "gaussian:sigma=2", out=tmp_path / "DOE_JANE-2")[1])
    for out in outs:
        assert "DOE" not in told((out / RUN_FOLDER / "report.html").read_text())
    journal(outs[0]).write_bytes(journal(outs[0]).read_bytes()[:-9])  # gaps name methods, too
    scores = tmp_path / "scores.csv"
    scores.write_text(SCORES.replace("ours", outs[1].name))
    for format_ in ("html", "csv", "json", "md"):
        _, text = page(*outs, scores, format=format_, study=(study,), out=tmp_path / "page")
        assert "DOE" not in told(text)
        assert all(name in text for name in ("gaussian 1", "gaussian 2", "median"))


def test_two_blind_readings_do_not_share_their_ratings(study):
    outs = [run(study, model, report=False)[1] for model in ("identity", "median")]
    shelves = {re.search(r'{"page":"(\w+)"', page(*outs, blind=True)[1])[1] for _ in range(2)}
    assert len(shelves) == 2
    plain = {re.search(r'{"page":"(\w+)"', page(*outs)[1])[1] for _ in range(2)}
    assert len(plain) == 1


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("series", "inputs", [1]),
        ("series", "inputs", 0.5),
        ("series", "series", None),
        ("done", "series", 7),
        ("run", "start", {}),
        ("commit", "record", {"safety": {"bias": {"verdict": "purple", "says": 1}}}),
        ("commit", "record", {"safety": {"bias": {"verdict": "red", "at": {"path": []}}}}),
    ],
)
def test_a_journal_with_nonsense_in_it_gives_a_page_that_says_so(study, kind, name, value):
    _, out = run(study, report=False)
    lines = [json.loads(line) for line in journal(out).read_text().splitlines()]
    for line in lines:
        if line["kind"] == kind:
            line[name] = value
    journal(out).write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, text = page(out)
    assert "makes no sense" in text


def test_images_of_any_proportions_are_shown(tmp_path):
    study = tmp_path / "study"
    for name, shape in (("long", (1500, 2, 2)), ("dot", (1, 1, 1)), ("even", (9, 9, 2))):
        write_image(study / f"{name}.nii.gz", shape=shape)
    nibabel.save(nibabel.Nifti1Image(np.full((8, 8, 2), 7.0), np.eye(4)), study / "flat.nii.gz")
    _, out = run(study, "identity")
    _, text = page(out)
    assert [len(of) for of in views(text).values()] == [1, 1, 1, 1]


def test_lights_lead_to_the_slice_they_mean(tmp_path):
    study = tmp_path / "study"
    noise = np.random.default_rng(0)
    for number in range(6):  # files lie from the head down, slices are shown from the feet up
        stored = noise.normal(1000, 30, (64, 64))
        stored[20:40, 20:40] += 900 * (number == 1)
        image = dicoms.image(stored.astype(np.uint16), modality="MR", number=6 - number)
        dicoms.save(image, study / f"{number}.dcm")
    _, out = run(study, "gaussian:sigma=4")
    _, text = page(out)
    ((view, *_),) = views(text).values()
    noted = {place for place, note, *_ in view["slices"] if note}
    led = {int(place) for place in re.findall(r'data-go="(\d+)"', text)}
    assert 5 in led <= noted
    assert "slice 5 of 6" in told(text)


def test_pet_lies_over_the_mr_of_its_frame_of_reference(tmp_path):
    study = tmp_path / "study"
    for number in range(4):  # the dot of PET and the square of MR lie 12 mm apart along x
        stored = np.zeros((20, 24), np.uint16)
        stored[10, 6] = 1500
        stored[0, :4] = 3000 * (number == 0)  # white
        where = (-24.0, -20.0, 4.0 * number)
        pet = dicoms.image(stored, modality="PT", number=number, spacing=(2, 2), position=where)
        dicoms.save(pet, study / "pt" / f"{number}.dcm")
    for number in range(9):  # other spacings, and rows that run from left to right
        stored = np.full((60, 70), 20, np.uint16)
        stored[29:32, 34:37] = 900  # x from 0 by 1 mm to either side
        mr = dicoms.image(
            stored,
            modality="MR",
            series=2,
            number=number,
            spacing=(1, 1),
            position=(35.0, -30.0, 2.0 * number - 2),
            orientation=(-1, 0, 0, 0, 1, 0),
        )
        dicoms.save(mr, study / "mr" / f"{number}.dcm")
    _, out = run(study, "gaussian")
    _, text = page(out)
    (own,) = (of[-1] for of in views(text).values() if of[-1]["name"] == "over MR")
    assert "nothing is registered" in own["says"]
    assert len(own["slices"]) == 4
    content = b64decode(own["slices"][1][2].partition(",")[2])
    colours = imagecodecs.jpeg_decode(content).astype(int)
    many = colours.shape[0] / 20
    red = colours[..., 0] - colours[..., 2]
    cold = colours.min(axis=-1) - 3 * np.maximum(red, 0)
    for found, row, column in ((red, 10, 6), (cold, 10, 12)):
        rows, columns = np.nonzero(found > 0.6 * found.max())
        assert rows.mean() / many == pytest.approx(row + 0.5, abs=0.6)
        assert columns.mean() / many == pytest.approx(column + 0.5, abs=0.6)


def test_pet_of_another_frame_of_reference_is_laid_over_nothing(tmp_path):
    study = tmp_path / "study"
    dicoms.series(study / "pt", 4, modality="PT", FrameOfReferenceUID="1.2.3")
    dicoms.series(study / "mr", 4, series=2, modality="MR", FrameOfReferenceUID="1.2.4")
    _, out = run(study, "identity")
    assert "over MR" not in told(page(out)[1])


def test_thousands_of_scores_stay_within_the_size_of_the_page(tmp_path):
    noise = np.random.default_rng(0)
    values = noise.standard_cauchy((2, 2, 2500))
    lines = [
        f"{name},p{n},case-{n},image,{metric},{value:.3f},dB\n"
        for name, of in zip(("ours", "theirs"), values, strict=True)
        for metric, row in zip(("psnr", "rmse"), of, strict=True)
        for n, value in enumerate(row)
    ]
    path = tmp_path / "scores.csv"
    path.write_text(SCORES.splitlines()[0] + "\n" + "".join(lines))
    _, text = page(path, max_mb=1)
    assert len(text.encode()) <= 300_000
    assert "Box plots of PSNR" in text


def test_graphs_say_which_slice_they_are_of():
    """The one that was asked for, however many lines are drawn."""
    noise = np.random.default_rng(0).normal(100, 5, (2, 96, 96)).astype(np.float32)
    images = {"before": noise[0], "after": noise[1]}
    of = [
        graphs.profile(images, 3, unit="HU", spacing=1.0, place=13),
        graphs.histogram(images, unit="HU", window=(0, 200), place=13),
        graphs.noise_power(images, noise[1], unit="HU", spacing=(1.0, 1.0), place=13),
    ]
    assert all("slice 13" in graph.says for graph in of if graph)
    assert len([graph for graph in of if graph]) == 3


def test_graphs_without_room_are_said_to_be_missing():
    graph = Graph("much", "<svg>" + "x" * 50_000 + "</svg>")
    sections = (Section("first", (graph,)), Section("last", (graph,)))
    content = html(Page("title", "now", "0", sections=sections), most=130_000)
    assert len(content) <= 130_000
    assert b"the graphs of &#39;last&#39; have no room" in content
    assert b"the graphs of &#39;first&#39;" not in content


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_what_nobody_has_measured_is_shown_in_a_window_of_its_own(tmp_path, modality):
    dicoms.series(tmp_path / "study", 2, modality=modality)
    _, out = run(tmp_path / "study", "identity")
    _, text = page(out)
    assert "0 to 1 " not in told(text)


def test_a_description_is_no_formula_in_a_spreadsheet(tmp_path):
    dicoms.series(tmp_path / "study" / "=1+2", 1, modality="MR")
    _, out = run(tmp_path / "study", "identity")
    _, text = page(out, format="csv", identifiable=True)
    (row,) = csv.DictReader(text.splitlines())
    assert row["path"].startswith("'=1+2")


def test_what_all_series_share_is_found_once(tmp_path):
    light = Light("bias", "1 %", 1.0, "green", "fine")
    case = Case("1", "MR", 1, (Result("a", "done", lights=(light,)),))
    told = Page("title", "now", "0", cases=(case,) * 3)
    assert told.figures == ("bias",)
    assert told.figures is told.figures  # rows ask for it, and there are thousands
