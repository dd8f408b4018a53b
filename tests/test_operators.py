"""Every forward model, whatever there is: its adjoint, and what it measures."""

import inspect
from importlib import import_module
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.transform import iradon, radon

from medclean import physics
from medclean.physics.operators.blur import Blur
from medclean.physics.operators.fbp import fbp, filter_of
from medclean.physics.operators.fourier import Fourier
from medclean.physics.operators.pet import PET
from medclean.physics.operators.radon import Radon
from medclean.physics.recon.zero_filled import root_sum_of_squares, zero_filled
from medclean.physics.signal.fourier import to_image, to_kspace

SHAPE = (19, 24)
DRAW = torch.Generator().manual_seed(0)
COILS = torch.randn((3, *SHAPE), dtype=torch.complex128, generator=DRAW)
MASK = torch.rand(SHAPE, generator=DRAW) < 0.4
LINES = Radon(SHAPE, views=13)
OPERATORS = {
    "parallel": LINES,
    "fine": Radon(SHAPE, views=7, pitch=0.6),
    "fan": Radon(SHAPE, views=16, pitch=1.3, source=40.0),
    "one pixel": Radon((1, 1), views=3),
    "fourier": Fourier(MASK),
    "coils": Fourier(MASK, COILS),
    "blur": Blur((2.5, 0.0)),
    "pet": PET(LINES, Blur((2.0, 3.0)), torch.rand((13, LINES.channels), generator=DRAW)),
}


def noise(like, count=2):
    """Random numbers of a shape and type."""
    shape = (count, *like.shape[1:])
    return torch.randn(shape, dtype=like.dtype, generator=torch.Generator().manual_seed(1))


def images(operator):
    shape = operator.shape if isinstance(operator, Radon) else SHAPE
    kind = torch.complex128 if isinstance(operator, Fourier) else torch.float64
    return noise(torch.empty((2, 1, *shape), dtype=kind))


def disk(side, middle, radius):
    """A disk of 1 on 0, its edge averaged over pixels; middle is x to the right, y up."""
    fine = (np.arange(side * 8) + 0.5) / 8 - side / 2
    inside = (fine - middle[0]) ** 2 + (-fine[:, None] - middle[1]) ** 2 < radius**2
    return torch.from_numpy(inside.reshape(side, 8, side, 8).mean((1, 3), dtype=np.float32))


def chords(rays, middle, radius):
    """Lengths of all rays in that disk."""
    angles, offsets = rays._rays()
    apart = offsets - middle[0] * angles.cos() - middle[1] * angles.sin()
    return 2 * (radius**2 - apart**2).clamp(min=0).sqrt()


def test_every_operator_there_is_is_tested_here():
    files = Path(physics.__file__).parent.joinpath("operators").glob("[!_]*.py")
    modules = [import_module(f"medclean.physics.operators.{file.stem}") for file in files]
    found = {c for m in modules for _, c in inspect.getmembers(m, inspect.isclass)}
    operators = {c for c in found if hasattr(c, "adjoint") and c.__module__.startswith("medclean.")}
    assert operators == {type(operator) for operator in OPERATORS.values()}


@pytest.mark.parametrize("name", list(OPERATORS))
def test_the_adjoint_is_the_adjoint(name):
    operator = OPERATORS[name]
    x = images(operator)
    measured = operator.forward(x)
    y = noise(measured)
    left, right = (measured * y.conj()).sum(), (x * operator.adjoint(y).conj()).sum()
    assert abs(left - right) < 1e-10 * (x.norm() * y.norm())


@pytest.mark.parametrize("name", list(OPERATORS))
def test_operators_are_linear_image_by_image(name):
    operator = OPERATORS[name]
    x = images(operator)
    both = operator.forward(x)
    torch.testing.assert_close(operator.forward(x[1:]), both[1:])
    torch.testing.assert_close(operator.forward(x[:1] - 2 * x[1:]), both[:1] - 2 * both[1:])


@pytest.mark.parametrize("name", list(OPERATORS))
def test_operators_can_be_differentiated_twice(name):
    operator = OPERATORS[name]
    x = images(operator)[:1, :, :4, :5].clone()
    shape = operator.shape if isinstance(operator, Radon) else SHAPE

    def energy(small):
        whole = torch.nn.functional.pad(small, (0, shape[1] - x.shape[3], 0, shape[0] - x.shape[2]))
        return (operator.forward(whole).abs() ** 2).sum()

    torch.autograd.gradcheck(energy, x.requires_grad_(), fast_mode=True)
    torch.autograd.gradgradcheck(energy, x, fast_mode=True)


@pytest.mark.parametrize("rays", [Radon((65, 65), 60), Radon((65, 65), 90, 0.7, 150.0)])
def test_rays_through_a_disk_are_as_long_as_its_chords(rays):
    sums = rays.forward(disk(65, (8, -13), 15)[None, None])[0, 0]
    wanted = chords(rays, (8, -13), 15)
    assert (sums - wanted).square().mean().sqrt() < 0.3
    long = wanted > 10
    assert (sums - wanted)[long].mean().abs() < 0.1


@pytest.mark.parametrize("kernel", ["ramp", "hann"])
@pytest.mark.parametrize("rays", [Radon((65, 65), 100), Radon((65, 65), 200, 1.0, 150.0)])
def test_filtered_back_projection_gives_back_the_disk(rays, kernel):
    image = disk(65, (6, -5), 18)
    found = fbp(rays.forward(image[None, None]), rays, kernel)[0, 0]
    inside, outside = disk(65, (6, -5), 15) == 1, disk(65, (6, -5), 21) == 0
    assert found[inside].mean() == pytest.approx(1, abs=2e-3)
    assert found[inside].std() < 0.02
    assert abs(found[outside].mean()) < 5e-3


def test_line_integrals_and_their_inverse_are_those_of_scikit_image():
    image = disk(65, (6, -5), 18) + disk(65, (-10, 8), 7)
    rays = Radon((65, 65), 90)
    ours = rays.forward(image[None, None])
    theirs = radon(image.numpy(), np.arange(90) * 2.0, circle=True).T
    between = np.stack([np.interp(np.arange(65) - 32, rays.offsets, row) for row in ours[0, 0]])
    assert np.abs(between - theirs).mean() < 0.005 * theirs.max()
    for kernel, name in (("ramp", "ramp"), ("hann", "hann")):
        found = fbp(ours, rays, kernel)[0, 0].numpy()
        peer = iradon(theirs.T, np.arange(90) * 2.0, filter_name=name, circle=True)
        inside = np.hypot(*(np.mgrid[:65, :65] - 32)) < 30
        assert np.abs(found - peer)[inside].mean() < 0.02
        errors = [np.abs(result - image.numpy())[inside].mean() for result in (found, peer)]
        assert errors[0] < 1.05 * errors[1]


def test_the_ramp_is_the_ramp_but_at_zero():
    ramp, half = filter_of(200), len(filter_of(200)) - 1
    frequency = torch.arange(half + 1) / half / 2
    torch.testing.assert_close(ramp, frequency.double(), atol=1e-3, rtol=0)
    hann = filter_of(200, "hann", 0.5)
    assert hann[half // 2 :].abs().max() == 0
    assert hann[half // 4] == pytest.approx(ramp[half // 4] / 2)


def test_a_source_within_the_image_is_refused():
    with pytest.raises(ValueError, match="source at 10 pixels, expected more than 1"):
        Radon(SHAPE, 10, source=10.0)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (5, 6, 9), (1, 1)])
def test_the_transform_is_centred_and_orthonormal_in_numpy_and_torch(shape):
    axes = tuple(range(len(shape)))
    image = np.random.default_rng(0).standard_normal(shape).astype(np.complex64)
    kspace = to_kspace(image, axes)
    assert kspace.dtype == np.complex64
    assert np.linalg.norm(kspace) == pytest.approx(np.linalg.norm(image), rel=1e-5)
    middle = tuple(n // 2 for n in shape)
    assert kspace[middle] == pytest.approx(image.sum() / image.size**0.5, rel=1e-4)
    np.testing.assert_allclose(to_image(kspace, axes), image, atol=1e-5)
    torch.testing.assert_close(to_kspace(torch.from_numpy(image), axes).numpy(), kspace)


def test_what_was_sampled_whole_is_reconstructed_exactly():
    x = images(OPERATORS["fourier"])
    whole = Fourier(torch.ones(SHAPE, dtype=bool))
    torch.testing.assert_close(whole.adjoint(whole.forward(x)), x)
    even = COILS / COILS.abs().square().sum(0).sqrt()
    coils = Fourier(torch.ones(SHAPE, dtype=bool), even)
    torch.testing.assert_close(coils.adjoint(coils.forward(x)), x)
    combined = root_sum_of_squares(zero_filled(coils.forward(x)), 1)
    torch.testing.assert_close(combined, x[:, 0].abs())


def test_zero_filling_keeps_what_was_measured():
    data = Fourier(MASK).forward(images(OPERATORS["fourier"]))
    torch.testing.assert_close(to_kspace(zero_filled(data)), data)
    coils = np.ones((4, *SHAPE), np.complex64) * 1j
    np.testing.assert_allclose(root_sum_of_squares(coils), 2)


def test_a_blur_has_its_width_and_keeps_the_sum():
    point = torch.zeros((1, 1, 41, 41))
    point[..., 20, 20] = 1
    spread = Blur((6.0, 0.0)).forward(point)[0, 0]
    assert float(spread.sum()) == pytest.approx(1)
    assert spread[23, 20] == pytest.approx(float(spread[20, 20]) / 2, rel=1e-3)
    assert spread[:, 19].abs().max() == 0


def test_parallel_views_cover_half_a_turn_and_channels_lie_about_the_middle():
    rays = Radon((33, 33), 40)
    assert rays.angles[-1] == pytest.approx(pi * 39 / 40)
    assert rays.offsets.mean() == 0
