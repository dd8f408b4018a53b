"""What a checkpoint is, and what is refused as one."""

import errno
import json
import os
import pickle
import stat
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from medclean import checkpoints
from medclean.catalog import MODELS
from medclean.checkpoints import Card
from medclean.errors import MissingError, UsageError, WriteError
from medclean.learning.stepper import Stepper
from tiny import GIVEN, TRAINABLE, play, tiny

SPEC = "dgan:width=4,groups=1,blocks=1,streams=[1,2],critic_width=4,patch=16"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.make(SPEC).eval()


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "little.safetensors"
    checkpoints.save(path, model, card_of(model))
    return path


def card_of(model):
    return Card("dgan", asdict(model.options), "MR", data=[{"Name": "none", "License": "CC0"}])


def test_a_checkpoint_denoises_as_the_model_that_was_saved(path, model):
    loaded = checkpoints.load(str(path))
    images = torch.rand(1, 1, 20, 24)
    assert torch.equal(loaded.model.denoise(images, GIVEN), model.denoise(images, GIVEN))
    assert loaded.model.options == model.options
    assert not loaded.model.training
    assert loaded.card.data == [{"Name": "none", "License": "CC0"}]
    assert loaded.sha256 == loaded.card.sha256


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_network_is_saved_and_loaded_whole(name, tmp_path):
    trained = tiny(name)
    play(Stepper(trained, steps=2), 2)  # running statistics of norms move too
    path, options = tmp_path / "it.safetensors", asdict(trained.options)
    checkpoints.save(path, trained.eval(), Card(name, options, "MR"))
    loaded, images = checkpoints.load(str(path)).model, torch.rand(1, 1, 20, 24)
    assert torch.equal(loaded.denoise(images, GIVEN), trained.denoise(images, GIVEN))


def test_a_weight_that_goes_by_several_names_is_kept(tmp_path):
    model = MODELS.make("mirnet:width=4,groups=1,blocks=1").eval()
    with torch.no_grad():
        model.generator.groups[0].body[0].units[0].body[1].weight.fill_(0.5)
    path = tmp_path / "tied.safetensors"
    checkpoints.save(path, model, Card("mirnet", asdict(model.options), "MR"))
    images = torch.rand(1, 1, 20, 24)
    loaded = checkpoints.load(str(path)).model
    assert torch.equal(loaded.denoise(images, GIVEN), model.denoise(images, GIVEN))


def test_what_only_training_needs_is_left_out(path, model):
    kept = checkpoints.weights(str(path))
    assert {key.split(".")[0] for key in kept} == {"generator"}
    assert {key.split(".")[0] for key in model.state_dict()} == {"generator", "critic"}


def test_a_training_runs_folder_means_its_best_checkpoint(tmp_path, model):
    for name in ("last", "best"):
        checkpoints.save(tmp_path / f"{name}.safetensors", model, card_of(model))
    assert checkpoints.find(str(tmp_path)) == tmp_path / "best.safetensors"
    (tmp_path / "best.safetensors").unlink()
    assert checkpoints.find(str(tmp_path)) == tmp_path / "last.safetensors"
    (tmp_path / "last.safetensors").unlink()
    with pytest.raises(MissingError, match=r"no best\.safetensors"):
        checkpoints.find(str(tmp_path))


def test_damaged_weights_are_refused(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(MissingError, match="SHA-256"):
        checkpoints.load(str(path))


def test_a_card_that_cannot_be_written_leaves_the_pair_that_was_there(path, model, monkeypatch):
    before = checkpoints.load(str(path))
    sync = os.fsync

    def full(file):
        told = os.fstat(file)
        if stat.S_ISREG(told.st_mode) and told.st_size < 5000:  # the card is that small
            raise OSError(errno.ENOSPC, "no room")
        sync(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="no room"):
        checkpoints.save(path, MODELS.make(SPEC), card_of(model))
    assert checkpoints.load(str(path)).sha256 == before.sha256
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    "options", [{"width": 8}, {"groups": 2}, {"depth": 3}, {"width": 10**6}, {"width": 10**10}]
)
def test_weights_of_another_architecture_are_refused(path, options):
    card = json.loads(path.with_suffix(".json").read_text())
    card["options"] |= options
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(MissingError, match=r"another (architecture|version)"):
        checkpoints.load(str(path))


def test_a_checkpoint_needs_its_card(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingError, match="copy both files"):
        checkpoints.load(str(path))


def test_a_card_that_is_no_json_says_what_to_do(path):
    path.with_suffix(".json").write_text("{not json")
    with pytest.raises(MissingError, match=r"is no JSON .*; copy it anew"):
        checkpoints.load(str(path))


def test_pickles_are_refused_unread_whatever_they_are_called(tmp_path, model):
    class Evil:
        def __reduce__(self):
            return print, ("this ran",)

    named, disguised, zipped = (tmp_path / n for n in ("a.pth", "b.safetensors", "c.safetensors"))
    named.write_bytes(b"anything")
    disguised.write_bytes(pickle.dumps(Evil()))
    torch.save(model.state_dict(), zipped)
    for path in (named, disguised, zipped):
        with pytest.raises(UsageError, match="is a pickle"):
            checkpoints.load(str(path))


def test_safetensors_whose_header_length_looks_like_a_pickle_are_read(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((0x280).to_bytes(8, "little") + b"{" + b" " * 0x27F)
    assert checkpoints.find(str(path)) == path


def test_a_name_without_shipped_weights_says_how_to_make_some():
    with pytest.raises(MissingError, match="medclean train --model rrg"):
        checkpoints.load("rrg", "CT")
    with pytest.raises(MissingError, match="no checkpoint"):
        checkpoints.load("nowhere/best.safetensors")


def test_shipped_checkpoints_are_whole_and_say_what_they_are():
    for name, card in checkpoints.shipped().items():
        model = checkpoints.load(str(checkpoints.SHIPPED / f"{name}.safetensors")).model
        assert name == f"{card.model}-{card.modality.lower()}"
        assert card.data
        assert card.licence
        assert card.metrics
        assert card.bf16  # or no GPU computes in it
        assert model.denoise(torch.zeros(1, 1, 33, 40), GIVEN).shape == (1, 1, 33, 40)


def test_listing_what_is_shipped_loads_no_torch():
    code = (
        "import sys; from medclean.checkpoints import shipped; shipped();"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
