"""Filtered back-projection: the inverse of the line integrals, by formula."""

from math import cos, pi, sin
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from medclean.physics.operators.radon import Radon

Kernel: TypeAlias = Literal["ramp", "hann"]

FINE = 8  # positions between two channels that a pixel can look up


def fbp(sinograms: Tensor, radon: Radon, kernel: Kernel = "ramp", cutoff: float = 1.0) -> Tensor:
    """Images ``(N, 1, H, W)`` of sinograms ``(N, 1, V, C)``, on their device.

    Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), sections 3.3 and 3.4.2
    (a fan on a flat detector, over the full turn). Channels are interpolated linearly.

    Args:
        sinograms: Line integrals, in pixels times the image's unit.
        radon: Where the rays lie.
        kernel: ``ramp`` keeps all resolution; ``hann`` is ramp times a Hann window.
        cutoff: Where that window ends, as a share of the channels' Nyquist frequency.
    """
    response = filter_of(radon.channels, kernel, cutoff).to(sinograms)
    count = 2 * (len(response) - 1)  # room for the ends: the filter is as wide as the detector
    weighted = sinograms * before(radon).to(sinograms)
    spectra = torch.fft.rfft(weighted, count) * response
    filtered = torch.fft.irfft(spectra, count)[..., : radon.channels]
    return backproject(filtered, radon) * (pi / radon.views / radon.pitch)


def filter_of(channels: int, kernel: Kernel = "ramp", cutoff: float = 1.0) -> Tensor:
    """Frequency response of the kernel for channels one apart, ``(F,)``, float64.

    The ramp is the transform of its band-limited impulse response, 1/4 in the middle and
    ``-1 / (pi k)^2`` at odd k: sampled as ``|f|`` it would lose the mean (Kak and Slaney, 3.3.3).
    """
    count = 2 ** (2 * channels - 1).bit_length()
    place = torch.fft.fftfreq(count, 1 / count, dtype=torch.float64)
    odd = place.remainder(2) == 1
    impulse = torch.where(odd, -1 / (pi * place) ** 2, torch.zeros_like(place))
    impulse[0] = 1 / 4
    ramp = torch.fft.rfft(impulse).real
    if kernel == "ramp":
        return ramp
    share = torch.fft.rfftfreq(count, dtype=torch.float64) * 2 / cutoff
    return ramp * torch.where(share < 1, (1 + torch.cos(pi * share)) / 2, 0.0)


def before(radon: Radon) -> Tensor:
    """Weight of each channel before filtering, ``(C,)``: cosine of its fan angle; 1 in parallel."""
    if radon.source is None:
        return torch.ones(radon.channels)
    return radon.source / torch.hypot(radon.offsets, torch.tensor(radon.source))


def backproject(sinograms: Tensor, radon: Radon, *, power: int = 1) -> Tensor:
    """For each pixel the sum over views of what its ray holds, ``(N, 1, H, W)``.

    Each value is weighed with the inverse squared distance from the source, in units of the
    isocentre's; with ``power=2`` with its square, as variances are.
    """
    rows, columns = radon.shape
    x = (torch.arange(columns) - (columns - 1) / 2).to(sinograms)
    y = ((rows - 1) / 2 - torch.arange(rows)).to(sinograms)[:, None]
    table = _between(sinograms[:, 0])
    middle = FINE * (radon.channels + 1) / 2
    total = sinograms.new_zeros((len(sinograms), rows * columns))
    for view, angle in enumerate(radon.angles.tolist()):
        place = x * cos(angle) + y * sin(angle)
        if radon.source is not None:
            near = radon.source / (radon.source - x * sin(angle) + y * cos(angle))
            place = place * near
        index = (place * (FINE / radon.pitch) + (middle + 0.5)).to(torch.int32)
        found = table[:, view].index_select(1, index.view(-1))
        total += found if radon.source is None else found * near.view(-1) ** (2 * power)
    return total.view(-1, 1, rows, columns)


def _between(rows: Tensor) -> Tensor:
    """``(N, V, C)`` with values between the channels, and 0 one channel beyond the ends."""
    channels = rows.shape[-1]
    padded = torch.nn.functional.pad(rows, (1, 1))
    size = FINE * (channels + 1) + 1
    return torch.nn.functional.interpolate(padded, size, mode="linear", align_corners=True)
