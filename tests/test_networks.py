"""Networks: their sizes as published, what they see, and any height and width."""

from itertools import permutations

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from medclean.networks.adnet import ADNet
from medclean.networks.attention import DAU, SKFF, Concat
from medclean.networks.critics import CNCLPatchGAN, PatchGAN
from medclean.networks.dncnn import DnCNN
from medclean.networks.padding import pad_to_multiple
from medclean.networks.pooling import GlobalPool, mean
from medclean.networks.quadratic import Quadratic, QuadraticAutoencoder
from medclean.networks.redcnn import REDCNN
from medclean.networks.resample import Up, blur, resampler
from medclean.networks.rrg import RRGNet
from medclean.networks.scnn import SCNN, shrunk
from medclean.networks.srdensenet import SRDenseNet
from medclean.networks.unet import UNet

torch.set_num_threads(1)
MIRNET = {"share_dau": True, "activation": "prelu", "reduction": 8, "pool": "avg"}
SMALL = {"width": 4, "groups": 1, "blocks": 1}


def weights_in(module):
    return sum(parameter.numel() for parameter in module.parameters())


def small(**options):
    torch.manual_seed(0)
    return RRGNet(**(SMALL | options))


@pytest.mark.parametrize(
    ("width", "groups", "blocks", "options", "count"),
    [
        (64, 3, 2, {}, 42_494_856),
        (32, 3, 2, {}, 10_625_352),
        (24, 2, 2, {}, 3_985_248),
        (16, 2, 1, {}, 888_440),
        (8, 1, 1, {}, 111_452),
        (64, 3, 2, MIRNET, 31_785_115),
    ],
)
def test_generator_has_as_many_weights_as_published(width, groups, blocks, options, count):
    with torch.device("meta"):
        network = RRGNet(width=width, groups=groups, blocks=blocks, **options)
    assert weights_in(network) == count


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: UNet(64), 21_912_513),
        (lambda: UNet(90), 43_324_111),
        (DnCNN, 556_097),
        (lambda: SRDenseNet(blocks=6, layers=4, growth=16, bottleneck=256), 394_753),
        (lambda: SRDenseNet(blocks=8, layers=8, growth=16, bottleneck=256), 1_479_425),
        (REDCNN, 1_848_865),
        (QuadraticAutoencoder, 49_818),
        (SCNN, 741_121),
        (ADNet, 519_171),
        (lambda: CNCLPatchGAN(3), 2_764_736),
    ],
)
def test_networks_of_the_tables_have_as_many_weights_as_published(make, count):
    with torch.device("meta"):
        assert weights_in(make()) == count


def test_a_quadratic_layer_is_linear_before_it_learns():
    layer = Quadratic(lambda: nn.Conv2d(2, 3, 3))
    images = torch.rand(1, 2, 8, 8)
    torch.testing.assert_close(layer(images), layer.r(images))
    with torch.no_grad():
        layer.g.weight.fill_(0.1)
        layer.b.weight.fill_(0.2)
    pairs = torch.rand(2, 1, 2, 8, 8)
    bent = layer(pairs.mean(0)) - (layer(pairs[0]) + layer(pairs[1])) / 2
    assert bent.abs().max() > 1e-3


def test_a_threshold_takes_away_what_is_smaller_and_shrinks_the_rest():
    values = torch.tensor([-3.0, -1.0, 0.0, 0.5, 2.0])
    assert shrunk(values, torch.tensor(1.0)).tolist() == [-2.0, 0.0, 0.0, 0.0, 1.0]
    network, images = SCNN(depth=4, width=4), torch.rand(2, 1, 9, 9)
    levels = torch.tensor([0.0, 0.5]).view(2, 1, 1, 1)
    both = network(images, levels)
    torch.testing.assert_close(both[:1], network(images[:1], torch.tensor(0.0)))
    torch.testing.assert_close(both[1:], network(images[1:], torch.tensor(0.5)))


@pytest.mark.parametrize(
    "critic",
    [*(PatchGAN(2, patch=size, width=4) for size in (16, 34, 70)), CNCLPatchGAN(2, width=4)],
    ids=["16", "34", "70", "cncl"],
)
def test_a_critic_says_how_small_an_image_may_be(critic):
    least = critic.least
    assert critic(torch.rand(1, 2, least, least)).shape[:2] == (1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        critic(torch.rand(1, 2, least - 1, least - 1))


def test_the_critic_of_cncl_judges_as_many_patches_as_its_paper_says():
    assert CNCLPatchGAN(2, width=4)(torch.zeros(1, 2, 256, 256)).shape == (1, 1, 16, 16)


def test_all_units_of_mirnet_share_one_weight_that_published_counts_leave_out():
    with torch.device("meta"):
        network = RRGNet(width=64, groups=3, blocks=2, **MIRNET)
    units = {unit.body[1] for unit in network.modules() if isinstance(unit, DAU)}
    assert len(units) == 1
    assert weights_in(network) - weights_in(units.pop()) == 31_785_114


@pytest.mark.parametrize(("channels", "millions"), [(1, 2.764), (2, 2.765)])
def test_critic_is_that_of_pix2pix(channels, millions):
    critic = PatchGAN(channels)
    assert weights_in(critic) / 1e6 == pytest.approx(millions, abs=5e-4)
    assert critic(torch.zeros(1, channels, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("patch", [16, 34, 70])
def test_a_logit_sees_one_patch(patch):
    critic, image = PatchGAN(1, patch=patch, width=4).eval(), torch.rand(1, 1, 128, 128)
    scores = critic(image.requires_grad_())
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [patch, patch]


@pytest.mark.parametrize("pool", ["max", "avg", "avgmax"])
def test_weights_of_streams_sum_to_one(pool):
    torch.manual_seed(0)
    skff = SKFF(8, 3, pool=pool, reduction=4, activation=nn.LeakyReLU)
    streams = list(torch.randn(3, 2, 8, 5, 6))
    weights = skff.weights(streams)
    assert weights.shape == (3, 2, 8, 1, 1)
    assert weights.std() > 0
    torch.testing.assert_close(weights.sum(0), torch.ones(2, 8, 1, 1))
    expected = sum(w * s for w, s in zip(weights, streams, strict=True))
    torch.testing.assert_close(skff(streams), expected)
    torch.testing.assert_close(skff([streams[0]] * 3), streams[0])


def test_skff_is_smaller_than_concatenation():
    skff = SKFF(64, 3, pool="max", reduction=8, activation=nn.ReLU)
    assert weights_in(Concat(64, 3)) == 6 * weights_in(skff)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"unshuffle": 2},
        {"streams": (1, 3, 6)},
        {"streams": (1,)},
        {"streams": (1, 2)},
        {"fusion": "concat"},
        {"fusion": "sum"},
        {"pool": "avgmax"},
        MIRNET,
    ],
    ids=str,
)
def test_generator_takes_any_size(options):
    network = small(**options)
    assert network.stride == network.unshuffle * 2 ** (len(options.get("streams", "123")) - 1)
    for height, width in ((1, 1), (2, 9), (33, 46)):
        noisy = torch.rand(2, 1, height, width)
        denoised = network(noisy)
        assert denoised.shape == noisy.shape
        assert 0 < (denoised - noisy).abs().max() < 0.2  # it starts close to the identity


def test_padding_leaves_no_trace():
    network, noisy = small(pool="max"), torch.rand(1, 1, 30, 29)
    padded = pad_to_multiple(noisy, network.stride)
    assert padded.shape == (1, 1, 32, 32)
    torch.testing.assert_close(network(padded)[..., :30, :29], network(noisy))


def test_padding_reflects_where_it_can():
    image = torch.tensor([[1.0, 2.0, 3.0]])[None, None]
    assert pad_to_multiple(image, 4)[0, 0].tolist() == [[1, 2, 3, 2]] * 4
    assert pad_to_multiple(image, 6)[0, 0, 0].tolist() == [1, 2, 3, 3, 3, 3]
    assert pad_to_multiple(image, 1) is image


@pytest.mark.parametrize("size", [(8, 6), (5, 7), (1, 1)])
def test_blur_is_of_gain_one_up_to_the_edge(size):
    flat = torch.full((2, 3, *size), 7.0)
    torch.testing.assert_close(blur(flat), torch.full_like(flat[..., ::2, ::2], 7))


def test_blur_is_binomial():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 4, 4] = 16
    assert blur(image)[0, 0, 1:4, 1:4].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    image = image.roll((1, 1), (2, 3))
    assert blur(image)[0, 0, 2:4, 2:4].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(("source", "target"), list(permutations(range(3), 2)))
def test_resampler_leads_from_any_level_to_any(source, target):
    widths = (2, 6, 10)
    features = torch.rand(1, widths[source], 8 >> source, 12 >> source)
    resampled = resampler(widths, source, target, nn.ReLU)(features)
    assert resampled.shape == (1, widths[target], 8 >> target, 12 >> target)


def test_plain_path_up_is_bilinear_then_a_convolution():
    up, features = Up(4, 2, nn.ReLU), torch.rand(2, 4, 5, 6)
    nn.init.zeros_(up.body[-1].weight)
    expected = up.plain(interpolate(features, scale_factor=2, mode="bilinear"))
    torch.testing.assert_close(up(features), expected)


def test_pools_see_the_whole_image():
    features = torch.randn(2, 3, 4, 5)
    largest, average = features.amax((2, 3), True), features.mean((2, 3), True)
    torch.testing.assert_close(GlobalPool("max")(features), largest)
    torch.testing.assert_close(GlobalPool("avg")(features), average)
    torch.testing.assert_close(GlobalPool("avgmax")(features), largest + average)
    torch.testing.assert_close(mean(features, (1,)), features.mean(1, True))


def test_precision_is_kept_where_it_matters():
    network, noisy = small(width=8), 1 + torch.rand(2, 1, 32, 32)
    exact = network(noisy)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(noisy)
    assert rounded.dtype == torch.float32
    removed = (noisy - exact).square().mean().sqrt()
    assert 0 < (rounded - exact).square().mean().sqrt() < 0.02 * removed
