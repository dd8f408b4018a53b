"""What a training sees: how clean patches are varied, and how noisy ones come to be."""

import json
import threading
from dataclasses import replace
from itertools import islice

import nibabel
import numpy as np
import pytest
import torch

from little_dataset import job, make_dataset, write_image
from medclean import checkpoints
from medclean.archive.dataset import Case
from medclean.archive.unpaired import pools
from medclean.catalog import MASKS
from medclean.errors import DataError, Exit, Stopped, UsageError
from medclean.jobs.prepare import PrepareJob
from medclean.log import Log
from medclean.models._supervised import Supervised
from medclean.physics.noise.low_dose import LowDose
from medclean.physics.recon.zero_filled import undersampled
from medclean.pipelines.prepare import prepare
from medclean.pipelines.train import train
from medclean.training import augmentation, loop
from medclean.training.augmentation import adjusted, cut, turn
from medclean.training.loop import Run
from medclean.training.pairs import Pairing
from medclean.volume import Given

QUIET = Log(quiet=True)
pytestmark = pytest.mark.usefixtures("no_processes")
GIVEN = Given("1", 1.0, (1.0, 1.0, 1.0), "MR", sigma=0.1)
RRG = "rrg:width=4,groups=1,blocks=1,streams=[1,2]"


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """As in test_training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CPUS_PER_TASK", "1")
        patch.setattr("medclean.training.cards.RIVALS", ("nlm",))
        patch.setattr("medclean.training.curves.draw", lambda rows, title: b"")
        patch.setattr("medclean.training.pictures.grid", lambda examples, title: b"")
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"), 5)


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """Four patients, each with an image of full dose, and one of low dose that is twice that."""
    root = tmp_path_factory.mktemp("paired")
    for number in range(4):
        name = f"sub-{number}_ses-1_T1w.nii.gz"
        clean = write_image(root / "in" / f"sub-{number}" / "ses-1" / "full" / name, number)
        image = nibabel.load(clean)
        low = root / "in" / f"sub-{number}" / "ses-1" / "low_dose" / name
        low.parent.mkdir()
        nibabel.Nifti1Image(2 * image.get_fdata(), image.affine).to_filename(low)
        low.with_name(name.replace(".nii.gz", ".json")).write_text('{"Modality": "MR"}')
    asked = PrepareJob(root / "in", root / "set", pair_by="folder", bias="none", workers=1)
    prepare(asked, QUIET)
    return root / "set"


class Seen:
    """A run that stops before its first step, and tells what it would have seen."""

    def __init__(self, monkeypatch):
        self.batches, self.run = [], None
        monkeypatch.setattr(Run, "learn", self.learn)
        monkeypatch.setattr(loop.Run, "resume", lambda run: setattr(self, "run", run) or False)
        monkeypatch.setattr("medclean.training.cards.judge", lambda *_: (None, self.run.card))

    def learn(self, batches, **_):
        self.batches = list(islice(batches, 6))


@pytest.fixture
def seen(monkeypatch):
    return Seen(monkeypatch)


def test_nothing_is_varied_where_nothing_shall_be():
    stack = np.random.default_rng(0).random((3, 40, 50), np.float32)
    plain = cut(stack, 16, 0.0, np.random.default_rng(1), "none")
    windows = np.lib.stride_tricks.sliding_window_view(stack, (16, 16), (1, 2))
    assert (windows == plain[:, None, None]).all(axis=(0, 3, 4)).any()


def test_flips_keep_every_value_in_its_neighbourhood():
    stack = np.random.default_rng(0).random((2, 16, 16), np.float32)
    draws = [cut(stack, 16, 0.0, np.random.default_rng(seed), "flips") for seed in range(30)]
    turned = [np.rot90(s, k, (1, 2)) for s in (stack, stack[:, :, ::-1]) for k in range(4)]
    found = {next(k for k, t in enumerate(turned) if np.array_equal(d, t)) for d in draws}
    assert found == set(range(8))


def test_patches_bend_alike_with_their_neighbours(monkeypatch):
    monkeypatch.setattr(augmentation, "ANGLE", 0.0)
    monkeypatch.setattr(augmentation, "STRETCH", (1.0, 1.0))
    rows = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None], (64, 64))
    ramp = np.stack([rows, rows])
    bent = turn(ramp, (48, 48), np.random.default_rng(0))
    moved = bent[0] - rows[8:56, 8:56]
    np.testing.assert_array_equal(bent[0], bent[1])
    assert 0.5 < moved.std() < 4
    assert np.abs(np.diff(moved, axis=0)).max() < 0.8  # smooth: nothing folds
    monkeypatch.setattr(augmentation, "BENT", 0.0)
    np.testing.assert_allclose(turn(ramp, (48, 48), np.random.default_rng(0))[0], rows[8:56, 8:56])


def test_intensity_varies_alike_and_the_noise_level_follows(monkeypatch):
    monkeypatch.setattr(augmentation, "ADJUSTED", 1.0)
    rng = np.random.default_rng(0)
    clean = rng.random((64, 64)).astype(np.float32)
    noisy = clean + 0.1 * rng.standard_normal((3, 64, 64)).astype(np.float32)
    for seed in range(5):
        after, truth, given = adjusted(noisy, clean, GIVEN, np.random.default_rng(seed))
        assert np.std(after[1] - truth) == pytest.approx(given.sigma, rel=0.02)
        same, same_truth, _ = adjusted(clean[None], clean, GIVEN, np.random.default_rng(seed))
        np.testing.assert_array_equal(same[0], same_truth)
        order = np.argsort(clean, axis=None)
        assert (np.diff(truth.ravel()[order]) >= 0).all()
        assert not np.allclose(truth, clean * (truth.mean() / clean.mean()), atol=1e-3)
    hounsfield = adjusted(noisy, clean, replace(GIVEN, modality="CT"), rng)
    assert hounsfield[0] is noisy


def test_recorded_pairs_are_learnt_from_as_they_are(paired, tmp_path, seen):
    train(job(paired, tmp_path / "run", pairs=True, augment="flips", patch=(32,)), QUIET)
    for batch in seen.batches:  # normalised by the scale of the noisy one
        torch.testing.assert_close(batch.noisy, 2 * batch.clean)
    assert 0.9 < max(float(batch.noisy.max()) for batch in seen.batches) < 1.5
    assert seen.run.card.noise == "recorded pairs"
    assert len({float(batch.noisy.sum()) for batch in seen.batches}) == 6


def test_a_run_on_pairs_ends_with_figures(paired, tmp_path):
    settings = {"steps": 2, "model": RRG, "pairs": True}
    train(job(paired, tmp_path / "run", **settings), QUIET)
    metrics = checkpoints.load(str(tmp_path / "run")).card.metrics
    assert metrics["test"].keys() == metrics["nlm"].keys() == {"psnr recorded", "ssim recorded"}
    with pytest.raises(UsageError, match="was not made by `medclean prepare`"):
        train(job(paired.parent / "in", tmp_path / "other", pairs=True), QUIET)
    with pytest.raises(ValueError, match="no noise and no mask"):
        job(paired, tmp_path / "run", pairs=True, mask="radial")


def test_k_space_is_sampled_of_whole_slices(dataset, tmp_path, seen):
    settings = {"mask": "equispaced:ratio=0.5", "augment": "none", "patch": (32,), "batch": (1,)}
    train(job(dataset, tmp_path / "run", **settings), QUIET)
    mask = MASKS.make("equispaced:ratio=0.5")
    run, slices = seen.run, seen.run.held.samples.slices
    assert run.card.noise == "k-space sampled by equispaced:ratio=0.5"
    (held,) = replace(run.held, count=1)
    pair, (place,) = held.pair, slices.spread(1)
    again = Pairing(masks=(("equispaced", mask),)).held(
        slices, place, 1, None, np.random.default_rng((0, 0, 0))
    )
    np.testing.assert_array_equal(again.pair.noisy, pair.noisy)
    kept = np.abs(np.fft.fft2(pair.noisy[0])).sum() / np.abs(np.fft.fft2(pair.clean)).sum()
    assert held.label == "equispaced"
    assert kept < 0.9
    for batch in seen.batches:
        assert batch.given.sigma is None
        assert 0.01 < (batch.noisy - batch.clean).std() < 0.3
    with pytest.raises(UsageError, match="k-space is sampled in MR"):
        Pairing.of(job(dataset, tmp_path, mask="radial"), "CT")
    with pytest.raises(UsageError, match="motion is kept in a few draws"):
        Pairing.of(job(dataset, tmp_path, mask="radial", noise=("motion",)), "MR")


def test_all_of_k_space_is_the_image():
    images = np.random.default_rng(0).random((2, 9, 12), np.float32)
    whole = undersampled(images - 1000, np.ones((9, 12), bool), -1000)
    np.testing.assert_allclose(whole, images - 1000, atol=1e-3)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Disks of water, as CT."""
    root = tmp_path_factory.mktemp("ct")
    rows, columns = np.mgrid[:48, :48] - 23.5
    for number in range(4):
        disk = np.where(np.hypot(rows, columns) < 15 + number, 0, -1000)
        stack = np.repeat(disk[..., None], 3, axis=2) + 5 * np.random.default_rng(
            number
        ).standard_normal((48, 48, 3))
        path = root / f"sub-{number}" / "a.nii.gz"
        path.parent.mkdir()
        nibabel.Nifti1Image(stack.astype(np.float32), np.diag([4.0, 4, 4, 1])).to_filename(path)
        path.with_name("a.json").write_text('{"Modality": "CT"}')
    return root


def test_a_few_draws_of_slow_noise_are_kept(phantoms, tmp_path, seen):
    settings = {
        **{"noise": ("low-dose:dose=0.1..0.5,n0=2e4", "gaussian:sigma=1HU"), "realisations": 3},
        **{"batch": (1,), "patch": (48,), "augment": "none"},
    }
    for name in ("one", "two"):
        train(job(phantoms, tmp_path / name, **settings), QUIET)
    first, again = (
        [np.load(p) for p in sorted((tmp_path / name / "state").glob("train/noisy-*.npy"))]
        for name in ("one", "two")
    )
    assert len(first) == 2 * 3
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({array.std() for array in first}) == 6
    assert not np.allclose(first[0][0] - first[0][1], 0, atol=20)  # each slice for itself
    assert len(list((tmp_path / "one" / "state" / "test").glob("noisy-*"))) == 1
    rows = json.loads((tmp_path / "one" / "state" / "train" / "index.json").read_text())
    sigmas = [version["sigma"] for row in rows for version in row["versions"]]
    assert {version["label"] for row in rows for version in row["versions"]} == {
        "low-dose+gaussian"
    }
    levels = {float(batch.given.sigma) for batch in seen.batches}
    assert all(np.isclose(level, [s / 4000 for s in sigmas]).any() for level in levels)
    assert {label for label, _ in seen.run.held} == {"low-dose+gaussian"}


def test_slices_of_slow_noise_are_drawn_at_once_by_single_threads(
    phantoms, tmp_path, monkeypatch, seen
):
    threads, call = [], LowDose.__call__

    def watched(noise, image, *rest):
        threads.append((torch.get_num_threads(), threading.get_ident()))
        return call(noise, image, *rest)

    settings = {"noise": ("low-dose:n0=2e4",), "batch": (1,), "patch": (48,)}
    for name, processors in (("alone", "1"), ("several", "3")):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", processors)
        train(job(phantoms, tmp_path / name, **settings), QUIET)
        monkeypatch.setattr(LowDose, "__call__", watched)
    drawn = [who for count, who in threads if count == 1]
    assert len(drawn) == 3 * (2 * 4 + 1 + 1)  # slices, and of two patients four draws
    assert len(set(drawn) - {threading.get_ident()}) > 1
    assert torch.get_num_threads() == 3
    for path in (tmp_path / "alone" / "state" / "train").glob("noisy-*"):
        again = tmp_path / "several" / "state" / "train" / path.name
        assert path.read_bytes() == again.read_bytes()


def test_what_was_cached_before_a_stop_is_not_made_again(phantoms, tmp_path, monkeypatch, seen):
    reads, read = [], Case.read
    told = job(phantoms, tmp_path / "run", noise=("low-dose:n0=2e4",), batch=(1,), patch=(48,))

    def read_once(case):
        if len(reads) == 2:
            reads.append("stop")
            raise Stopped("between two cases", Exit.STOPPED)
        reads.append(case.name)
        return read(case)

    monkeypatch.setattr(Case, "read", read_once)
    with pytest.raises(Stopped):
        train(told, QUIET)
    train(told, QUIET)
    names = [name for name in reads if name != "stop"]
    assert len(names) == len(set(names)) == 4


def test_whole_draws_outlive_a_stop_within_a_case(phantoms, tmp_path, monkeypatch, seen):
    noised, call = [], LowDose.__call__
    settings = {"noise": ("low-dose:n0=2e4",), "batch": (1,), "patch": (48,)}

    def stopped_once(noise, image, *rest):
        noised.append(image)
        if len(noised) == 1 + 5:  # after the trial of its options; a draw has three slices
            raise Stopped("in the second draw", Exit.STOPPED)
        return call(noise, image, *rest)

    train(job(phantoms, tmp_path / "whole", **settings), QUIET)
    monkeypatch.setattr(LowDose, "__call__", stopped_once)
    with pytest.raises(Stopped):
        train(job(phantoms, tmp_path / "run", **settings), QUIET)
    train(job(phantoms, tmp_path / "run", **settings), QUIET)
    slices = 3 * (2 * 4 + 1 + 1)  # of two patients four draws, of two others one
    again = len(noised) - ((1 + 5) + 1 + slices - 3)
    assert again in (0, 1)  # the slice after the one that stopped may have begun
    for path in (tmp_path / "whole" / "state" / "train").glob("noisy-*"):
        other = tmp_path / "run" / "state" / "train" / path.name
        assert path.read_bytes() == other.read_bytes()
    assert not list((tmp_path / "run").rglob("*.part"))


class Unpaired(Supervised):
    """Learns from clean images of other patients."""

    kind, scope, context, receptive_field = "network", "slice", 1, 3
    learns_from = "unpaired"

    def __init__(self):
        super().__init__(Supervised.Options(), torch.nn.Conv2d(1, 1, 3, padding=1))


class Alone(Unpaired):
    """Learns from noisy images."""

    learns_from = "noisy"

    def _losses(self, batch):
        return {"content": (self(batch.noisy, batch.given) - batch.noisy).square().mean()}


def windows(folder, width=16):
    """All patches of a part of the cache, in the network's units."""
    rows = json.loads((folder / "index.json").read_text())
    arrays = [np.load(folder / row["file"]) / np.float32(row["scale"]) for row in rows]
    return [np.lib.stride_tricks.sliding_window_view(a, (width, width), (1, 2)) for a in arrays]


def occurs(patch, among):
    return any(np.isclose(views, patch, atol=1e-5).all(axis=(3, 4)).any() for views in among)


def test_unpaired_images_are_of_different_patients(dataset, tmp_path, monkeypatch, seen):
    monkeypatch.setattr("medclean.training.begin.network", lambda job: Unpaired())
    monkeypatch.setattr(
        "medclean.training.pairs.scale_of_noisy", lambda pool, c, given, r: given.scale
    )
    settings = {"noise": ("gaussian:sigma=0",), "augment": "none"}
    train(job(dataset, tmp_path / "run", **settings), QUIET)
    noisy, clean = (windows(tmp_path / "run" / "state" / part) for part in ("train", "clean"))
    for batch in seen.batches:
        for one, other in zip(batch.noisy[:, 0].numpy(), batch.clean[:, 0].numpy(), strict=True):
            assert (occurs(one, noisy), occurs(one, clean)) == (True, False)
            assert (occurs(other, noisy), occurs(other, clean)) == (False, True)


def test_noisy_images_alone_have_no_reference(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("medclean.training.begin.network", lambda job: Alone())
    monkeypatch.setattr("medclean.training.cards.judge", lambda *_: (None, CARD))
    monkeypatch.setattr("medclean.training.cards.card_of", lambda *_, **__: CARD)
    monkeypatch.setattr("medclean.checkpoints.save", lambda *_: None)
    train(job(dataset, tmp_path / "run", steps=2), QUIET)
    assert "generator/content" in (tmp_path / "run" / "log.csv").read_text()


CARD = checkpoints.Card(
    model="alone", options={}, modality="MR", normaliser="scale", training={"steps": 2}
)


def test_pools_keep_what_was_dealt_and_share_the_rest():
    cases = [Case(f"{n}", f"p{n}", "", None, None) for n in range(6)]
    dealt = pools(cases, {"p0": "clean", "p1": "clean"}, seed=0)
    names = {pool: {case.patient for case in found} for pool, found in dealt.items()}
    assert {"p0", "p1"} <= names["clean"]
    assert len(names["clean"]) == len(names["noisy"]) == 3
    with pytest.raises(DataError, match="1 patient in the training split"):
        pools(cases[:1], {}, seed=0)


def test_a_run_does_not_go_on_with_other_images(tmp_path, seen):
    data = make_dataset(tmp_path / "data")
    train(job(data, tmp_path / "run"), QUIET)
    image = sorted(data.rglob("*.nii.gz"))[0]
    image.write_bytes(image.read_bytes())  # touched, and the same
    train(job(data, tmp_path / "run"), QUIET)
    write_image(image, seed=99)
    with pytest.raises(UsageError, match=f"{image.name} .* has changed; bring that back"):
        train(job(data, tmp_path / "run"), QUIET)
    write_image(data / "sub-9" / "a.nii.gz", seed=9)
    before = json.loads((tmp_path / "run" / "state" / "sources.json").read_text())
    person = next(name for name in before if name.endswith("(train)")).partition("/")[0]
    (data / "participants.tsv").write_text(f"participant_id\tsplit\n{person}\ttest\n")
    with pytest.raises(UsageError, match=r"sub-9/a.* is new, .*\(train\) is now test"):
        train(job(data, tmp_path / "run"), QUIET)
