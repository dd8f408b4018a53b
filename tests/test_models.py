"""Every model, whatever there is, and what each is for."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from scipy.ndimage import gaussian_filter, median_filter

import medclean
from medclean.catalog import MODELS
from medclean.errors import DataError, UsageError
from medclean.learning.stepper import Stepper
from medclean.models._base import Model
from medclean.models.dgan import weights_of
from medclean.models.mirnet import mixed
from tiny import ENTRIES, FILTERS, GIVEN, SLICEWISE, TRAINABLE, batches, each, play, tiny

PRESETS = sorted((Path(medclean.__file__).parent / "presets").glob("*.toml"))
TOLD = ("nlm", "tv", "wavelet", "adf")
AFRESH = ("unet", "wide-unet", "srdensenet", "scnn", "cgan")  # make images, and find no noise
FACTS = {"kind", "scope", "context", "receptive_field", "stride", "learns_from", "code"}


def images(model, height=17, width=23):
    lead = (3, model.context) if model.scope == "slice" else (3,)
    return torch.rand(*lead, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ENTRIES)
def test_file_says_what_the_model_is(name):
    model, entry = tiny(name), ENTRIES[name]
    assert all(hasattr(model, fact) for fact in FACTS)
    assert {"kind", "scope", "code"} <= entry.facts.keys()
    assert {fact: getattr(MODELS.provided(name), fact) for fact in entry.facts} == entry.facts
    defaults = {field.name: field.default for field in fields(model.Options)}
    assert {option: default for option, (_, default, _) in entry.options.items()} == defaults
    assert all(option.help for option in entry.options.values())
    assert entry.summary


@pytest.mark.parametrize("name", each(ENTRIES))
@pytest.mark.parametrize("size", [(1, 1), (1, 23), (97, 130)], ids=str)
def test_odd_sizes_keep_their_shape(name, size):
    model = tiny(name).eval()
    noisy = images(model, *size)
    kept = noisy.clone()
    denoised = model.denoise(noisy, GIVEN)
    assert denoised.shape == (noisy[:, :1] if model.scope == "slice" else noisy).shape
    assert denoised.dtype == torch.float32
    assert denoised.isfinite().all()
    assert not denoised.requires_grad
    assert torch.equal(noisy, kept)


@pytest.mark.parametrize("name", each(SLICEWISE))
def test_slices_come_in_any_grouping(name):
    model = tiny(name).eval()
    noisy = images(model)
    one_by_one = torch.cat([model.denoise(image[None], GIVEN) for image in noisy])
    torch.testing.assert_close(model.denoise(noisy, GIVEN), one_by_one)


@pytest.mark.parametrize("name", each(SLICEWISE))
def test_tile_equals_whole_slice(name):
    model = tiny(name).eval()
    if model.receptive_field is None:
        pytest.skip("depends on the whole image")
    start, margin = 5 * model.stride, model.receptive_field // 2
    noisy = images(model, start + 2 * margin + 21, start + 2 * margin + 24)
    tile = model.denoise(noisy[..., start:, start:], GIVEN)[..., margin:, margin:]
    whole = model.denoise(noisy, GIVEN)[..., start + margin :, start + margin :]
    torch.testing.assert_close(tile, whole)


@pytest.mark.parametrize("name", TRAINABLE)
def test_loss_falls_on_one_batch(name):
    stepper, batch = Stepper(tiny(name), steps=40, lr=2e-3), next(batches())
    rows = [stepper.step(iter([batch])) for _ in range(40)]
    assert rows[-1]["generator/content"] < 0.8 * rows[0]["generator/content"]
    assert all(loss.isfinite() for loss in rows[-1].values())


@pytest.mark.parametrize("name", [name for name in TRAINABLE if name not in AFRESH])
def test_what_finds_the_noise_starts_near_the_image(name):
    model, noisy = tiny(name).eval(), images(tiny(name))
    assert (model.denoise(noisy, GIVEN) - noisy).std() < 0.2 * noisy.std()


@pytest.mark.parametrize("name", [name for name in TRAINABLE if "context" in ENTRIES[name].options])
def test_neighbouring_slices_help_the_one_between_them(name):
    model = tiny(name, context=3)
    assert model.context == 3
    one = images(model)[:1].expand(2, -1, -1, -1).clone()
    one[1, 2] = 0.5  # beside, nothing but another neighbour
    denoised = model.eval().denoise(one, GIVEN)
    assert denoised.shape == (2, 1, 17, 23)
    assert (denoised - one[:, 1:2]).std() < 0.2 * one.std()
    assert not torch.allclose(denoised[0], denoised[1])
    stepper, batch = Stepper(tiny(name, context=3), steps=20, lr=2e-3), next(batches())
    batch = replace(batch, noisy=batch.noisy.repeat(1, 3, 1, 1))
    rows = [stepper.step(iter([batch])) for _ in range(20)]
    assert rows[-1]["generator/content"] < rows[0]["generator/content"]


@pytest.mark.parametrize("context", [0, 2, -1])
def test_one_slice_must_be_in_the_middle(context):
    with pytest.raises(UsageError, match=f"context is {context}, expected 1, 3, 5"):
        MODELS.make(f"rrg:context={context}")


def test_a_network_predicts_the_image_or_its_noise():
    content, noise = (tiny("unet", target=target).eval() for target in ("content", "noise"))
    noisy = images(content)
    found = content.denoise(noisy, GIVEN)
    torch.testing.assert_close(noise.denoise(noisy, GIVEN), noisy - found)


@pytest.mark.parametrize("name", [n for n in TRAINABLE if "norm" in ENTRIES[n].options])
def test_group_norm_takes_the_place_of_all_batch_norm(name):
    kinds = [
        {type(part).__name__ for part in tiny(name, norm=norm).modules()}
        for norm in ("batch", "group")
    ]
    assert [("BatchNorm2d" in found, "GroupNorm" in found) for found in kinds] == [
        (True, False),
        (False, True),
    ]
    assert tiny(name, norm="group").receptive_field is None


def test_a_critic_that_is_not_asked_rests():
    asked, alone = (tiny("cgan", adversarial=how).turns(0.0) for how in ("bce", "none"))
    assert [turn.repeats for turn in asked] == [1, 1]
    assert [turn.repeats for turn in alone] == [0, 1]
    row = Stepper(tiny("cgan", adversarial="none"), steps=1).step(batches())
    assert row.keys() == {"generator/content"}


def test_dgan_learns_by_either_reading_of_its_paper():
    adam, sgdm = (tiny("dgan", optimiser=name) for name in ("adam", "sgdm"))
    assert [turn.optimiser["betas"] for turn in adam.turns(0.0)] == [(0.5, 0.999)] * 2
    assert tiny("dgan", momentum=0.9).turns(0.0)[1].optimiser["betas"] == (0.9, 0.999)
    critic, generator = sgdm.turns(0.0)
    assert (critic.optimiser["momentum"], generator.optimiser["momentum"]) == (0.5, 0.9)
    assert (critic.lr_scale, generator.lr_scale) == (1.0, 0.5)
    assert [turn.lr_scale for turn in tiny("dgan", critic_lr=4.0).turns(0.0)] == [4.0, 1.0]
    rows = play(Stepper(sgdm, steps=3, lr=2e-4), 3)
    assert rows[-1]["generator/content"].isfinite()


@pytest.mark.parametrize(
    ("name", "habits"), [("adamw", {"momentum": 0.8}), ("muon", {}), ("rmsprop", {})]
)
def test_dgan_learns_by_other_optimisers(name, habits):
    learner = tiny("dgan", optimiser=name, **habits)
    assert {turn.optimiser["name"] for turn in learner.turns(0.0)} == {name}
    rows = play(Stepper(learner, steps=3, lr=2e-4), 3)
    assert all(loss.isfinite() for loss in rows[-1].values())


def test_labels_are_smoothed_for_what_is_real_and_to_the_critic_alone():
    batch = next(batches())
    sharp, smooth = (
        Stepper(tiny("cgan", smoothing=s, adversarial="lsgan"), steps=1).step(iter([batch]))
        for s in (0.0, 0.2)
    )
    assert smooth["critic/real"] != sharp["critic/real"]
    assert smooth["critic/fake"] == sharp["critic/fake"]


def test_scnn_asks_for_the_level_that_it_shrinks_by():
    model = tiny("scnn").eval()
    noisy = images(model)
    with pytest.raises(DataError, match="noise level"):
        model.denoise(noisy, replace(GIVEN, sigma=None))
    little, much = (model.denoise(noisy, replace(GIVEN, sigma=s)) for s in (0.0, 0.5))
    assert (little - much).abs().max() > 1e-3


@pytest.mark.parametrize("name", each(name for name in FILTERS if name != "identity"))
def test_filter_brings_the_image_nearer_to_the_clean_one(name):
    model, batch = tiny(name), next(batches())
    pair = (batch.noisy, batch.clean)
    noisy, clean = pair if model.scope == "slice" else (images[:, 0] for images in pair)
    error = model.denoise(noisy, GIVEN) - clean
    assert error.std() < 0.9 * (noisy - clean).std()


@pytest.mark.parametrize("name", each(ENTRIES))
def test_what_is_for_training_only_is_not_needed_to_denoise(name):
    whole, bare = tiny(name).eval(), tiny(name).eval()
    for child in bare.training_only:
        delattr(bare, child)
    noisy = images(whole)
    assert torch.equal(whole.denoise(noisy, GIVEN), bare.denoise(noisy, GIVEN))


def test_identity_keeps_every_bit():
    values = torch.tensor([0.1, -0.0, 1e-45, 3e38, float("inf"), float("nan")]).view(1, 1, 2, 3)
    same = tiny("identity").denoise(values, GIVEN)
    assert torch.equal(same.view(torch.int32), values.view(torch.int32))


def test_filters_stay_within_a_slice():
    noisy = images(tiny("gaussian"))
    blurred = Model.of(MODELS.make("gaussian:sigma=1.5")).denoise(noisy, GIVEN)
    middle = Model.of(MODELS.make("median:size=5")).denoise(noisy, GIVEN)
    for n, image in enumerate(noisy[:, 0].numpy()):
        torch.testing.assert_close(blurred[n, 0], torch.from_numpy(gaussian_filter(image, 1.5)))
        assert torch.equal(middle[n, 0], torch.from_numpy(median_filter(image, 5)))


@pytest.mark.parametrize("name", TOLD)
def test_filters_take_the_level_of_each_image_in_its_units(name):
    model = tiny(name)
    noisy, sigma = images(model), torch.tensor([0.0, 0.2, 0.3]).view(3, 1, 1, 1)
    given = replace(GIVEN, sigma=sigma)
    single = [model.denoise(noisy[[i]], replace(GIVEN, sigma=s)) for i, s in enumerate(sigma)]
    together = model.denoise(noisy, given)
    assert torch.equal(together, torch.cat(single))
    assert torch.equal(together[0], noisy[0])  # no noise, no change
    in_counts = model.denoise(30_000 * noisy, given.times(30_000))
    torch.testing.assert_close(in_counts / 30_000, together)


@pytest.mark.parametrize("name", TOLD)
def test_filters_ask_for_a_level_that_they_were_not_told(name):
    silent, told = tiny(name), Model.of(MODELS.make(f"{name}:sigma=10%"))
    noisy, given = images(silent), replace(GIVEN, sigma=None)
    assert (silent.wants_sigma, told.wants_sigma) == (True, False)
    with pytest.raises(UsageError, match=f"{name}:sigma"):
        silent.denoise(noisy, given)
    assert torch.equal(told.denoise(noisy, given), silent.denoise(noisy, GIVEN))


@pytest.mark.parametrize(
    "spec",
    [
        "gaussian:sigma=0",
        "median:size=4",
        "nlm:strength=-1",
        "nlm:sigma=-1",
        "tv:strength=0",
        "tv:iterations=0",
        "tv:sigma=20,strength=0",
        "wavelet:shifts=0",
        "wavelet:wavelet=bior1.5",
        "adf:dt=0.3",
        "adf:kappa=0",
        "adf:iterations=0",
        "mirnet:mix_after=2",
        "dgan:patch=20",
        "dgan:smoothing=0.5",
        "unet:smoothing=-0.1",
        "dncnn:depth=2",
        "scnn:depth=1",
        "rrg:width=a",
        "rrg:streams=[]",
        "rrg:streams=[1,0]",
        "unet:width=1",
        "unet:l1_weight=-1",
        "dgan:alone=7",
        "dgan:weighting=-0.2",
        "dgan:momentum=1",
        "dgan:optimiser=sgdm,momentum=0.3",
        *(
            f"{name}:{option}={count}"
            for name in MODELS
            for option, said in MODELS.entry(name).options.items()
            if type(said.default) is int
            for count in (0, -1)
        ),
    ],
)
def test_senseless_options_are_refused(spec):
    with pytest.raises(UsageError):
        MODELS.make(spec)


@pytest.mark.parametrize("power", [1, 2])
def test_low_noise_weighs_more_and_all_together_as_much(power):
    sigma = torch.linspace(0, 0.3, 3001).view(-1, 1, 1, 1)
    given = replace(GIVEN, sigma=sigma)
    weights = weights_of(given, 0.05, power=power)
    assert weights.mean() == pytest.approx(1, abs=2e-3)
    assert weights[0] / weights[-1] == pytest.approx((0.35 / 0.05) ** power, rel=1e-3)
    torch.testing.assert_close(weights_of(given.times(2), 0.05, power=power), weights)
    assert weights_of(GIVEN, 0.0) == 1
    with pytest.raises(DataError, match="noise level"):
        weights_of(replace(GIVEN, sigma=None), 0.05)


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_weighted_loss_counts_each_image_by_its_level(distance, power):
    batch = next(batches())
    given = replace(GIVEN, sigma=torch.tensor([0.0, 0.1, 0.2, 0.3]).view(4, 1, 1, 1))
    plain, weighted = (tiny("dgan", alone=1.0, weighting=w, distance=distance) for w in (0.0, 0.05))
    each = [
        Stepper(plain, steps=1, lr=0).step(iter([replace(batch, noisy=n, reference=c)]))
        for n, c in zip(batch.noisy.split(1), batch.clean.split(1), strict=True)
    ]
    losses = torch.stack([row["generator/content"] for row in each])
    row = Stepper(weighted, steps=1).step(iter([replace(batch, given=given)]))
    expected = (losses * weights_of(given, 0.05, power=power)).mean()
    torch.testing.assert_close(row["generator/content"], expected)


def test_options_that_models_share_are_read_from_their_base():
    shape, mirnet = ENTRIES["rrg"].options, ENTRIES["mirnet"].options
    assert len(shape) == 8
    assert shape.items() <= ENTRIES["dgan"].options.items()
    assert shape.keys() < mirnet.keys()
    assert (shape["pool"].default, mirnet["pool"].default) == ("max", "avg")
    assert shape["pool"].help == mirnet["pool"].help


def test_mixed_images_are_blends_of_two_noisy_and_clean_alike():
    torch.manual_seed(3)
    batch = next(batches())
    blend = mixed(batch)
    differ = blend.clean - batch.clean
    assert differ.abs().amax((1, 2, 3)).max() > 0.01
    for image, clean, noisy in zip(differ, batch.clean, blend.noisy - batch.noisy, strict=True):
        to = batch.clean - clean  # to each image of the batch, by some share
        shares = (image * to).sum((1, 2, 3)) / to.square().sum((1, 2, 3)).clamp(min=1e-9)
        rest = (image - shares.view(-1, 1, 1, 1) * to).abs().amax((1, 2, 3))
        (share, other) = shares[rest.argmin()], rest.argmin()
        assert rest.min() < 1e-5
        assert 0 <= share <= 1
        own = batch.noisy[(batch.clean == clean).all(-1).all(-1).all(-1)][0]
        torch.testing.assert_close(noisy, share * (batch.noisy[other] - own), atol=1e-5, rtol=0)


def test_mirnet_mixes_and_clamps_in_training_alone():
    model, batch = tiny("mirnet", mix_after=0.5, clamp="true").train(), next(batches())
    (early,), (late,) = model.turns(0.49), model.turns(0.5)
    loss = early.losses(batch)["content"]
    assert late.losses(batch)["content"] != loss
    assert model.eval().turns(0.5)[0].losses(batch)["content"] == loss
    assert tiny("mirnet").turns(0.5)[0].losses(batch)["content"] > loss  # it overshoots 0 and 1


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_preset_names_a_model(preset):
    spec = tomllib.loads(preset.read_text(encoding="utf-8"))["model"]
    with torch.device("meta"):
        model = MODELS.make(spec)
    assert model.turns(0.0)


def test_game_of_the_tiny_model_goes_on():
    rows = play(Stepper(tiny("dgan"), steps=3), 3)
    assert rows[-1].keys() == {
        "critic/real",
        "critic/fake",
        "generator/adversarial",
        "generator/content",
    }
