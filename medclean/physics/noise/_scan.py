"""A CT scan of a slice, as noise that begins in the sinogram needs it."""

from math import ceil, pi

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from medclean.errors import UsageError
from medclean.physics.operators.fbp import Kernel, fbp, filter_of
from medclean.physics.operators.radon import Radon
from medclean.volume import Given, Image

WATER = 0.0192  # 1/mm, at 70 keV: what 120 kVp is like behind a body


def radon_of(shape: tuple[int, ...], pitch: float = 1.0, source: float | None = None) -> Radon:
    """As many views as resolve the rim of the slice (Kak and Slaney, 1988, section 5.1).

    A fan over the full turn sees each line twice, between the views of the first time.
    """
    rows, columns = shape
    return Radon((rows, columns), ceil(pi / 2 * max(shape)), pitch, source)


def pixel_of(given: Given) -> float:
    """Side of a square pixel in mm.

    Raises:
        UsageError: The pixels are not square.
    """
    _, down, across = given.spacing
    if abs(down - across) > 0.01 * across:
        raise UsageError(f"pixels of {down:g} x {across:g} mm: rays need square ones; resample")
    return across


def paths(image: Image, pixel: float, radon: Radon, device: str = "cpu") -> Tensor:
    """Attenuation along each ray of a slice in HU, ``(1, 1, V, C)``, no unit, on a device.

    Projected at half the resolution, and interpolated: for variances that is enough.
    """
    water = torch.from_numpy((1 + image / 1000).clip(0)).to(device)[None, None]
    size = [ceil(side / 2) for side in image.shape]
    half = interpolate(water, size, mode="area")
    factor = image.shape[1] / size[1]
    source = None if radon.source is None else radon.source / factor
    rays = Radon((size[0], size[1]), ceil(radon.views / 2), 1.0, source)
    lengths = rays.forward(half) * (factor * pixel * WATER)
    return interpolate(lengths, (radon.views, radon.channels), mode="bilinear")


def gain_of(radon: Radon, kernel: Kernel, cutoff: float) -> float:
    """Sum of the squared weights that a channel's neighbours have in a filtered value.

    The mean over all places between two channels, by linear interpolation: two thirds of the
    kernel's autocorrelation at 0 and a third of that at 1.
    """
    power = filter_of(radon.channels, kernel, cutoff) ** 2
    correlation = torch.fft.irfft(power)
    return float(2 * correlation[0] + correlation[1]) / 3


def pattern(errors: Image, radon: Radon, device: str = "cpu") -> Image:
    """What errors of the sinogram ``(V, C)`` look like in the slice, with a mean square of 1."""
    found: Image = fbp(torch.from_numpy(errors).to(device)[None, None], radon)[0, 0].cpu().numpy()
    return found / np.float32(np.sqrt(np.mean(found**2)) or 1)
