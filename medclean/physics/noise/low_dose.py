"""Low-dose CT: the source plus the filtered back-projection of a noise sinogram."""

from dataclasses import dataclass, replace
from math import ceil, pi, sqrt
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from medclean.errors import UsageError
from medclean.physics.noise._scan import WATER, gain_of, paths, pixel_of, radon_of
from medclean.physics.operators.fbp import backproject, before, fbp
from medclean.physics.operators.radon import Radon
from medclean.physics.signal.body import body_mask
from medclean.volume import UNITS, Given, Image, Mask


@dataclass(frozen=True)
class LowDose:
    """``y = x + FBP(n)``, ``n`` normal, ``var n = (1/d - 1) e^p / N + (1/d^2 - 1) (s e^p / N)^2``.

    ``p`` is a ray's attenuation, ``N`` its photons at full dose, ``s`` the electronic noise. The
    anatomy is not reconstructed again: its mean and its sharpness stay, and the added noise has the
    level, the texture and the streaks of the dose that is missing (Zabic et al., Medical Physics
    40, 2013; Yu et al., Journal of Computer Assisted Tomography 36, 2012).

    ``N`` is such that the middle noise level within the body at full dose is the one that was
    measured in the source; each slice for itself, as under tube current modulation.

    Attributes:
        dose: Fraction of the source's dose, d, above 0 to 1.
        n0: Photons that a ray would count in air; found from the noise of the source if not given.
        electronic: Standard deviation of the electronic noise, s, in photons.
        bowtie: Diameter of the water cylinder that the beam filter evens out, in mm; 0 for none.
        kernel: Of the reconstruction: ramp is sharp, hann is soft.
        cutoff: Where the window of hann ends, as a share of the channels' Nyquist frequency; above
            1 for noise as fine as that of sharper kernels, which is not found by itself.
        channel: Distance of detector channels at the isocentre, in mm; the pixel's if not given.
        source: From the isocentre, in mm, for a fan beam; parallel beams if not given.
    """

    dose: float = 0.25
    n0: float | None = None
    electronic: float = 0.0
    bowtie: float = 0.0
    kernel: Literal["ramp", "hann"] = "hann"
    cutoff: float = 1.0
    channel: float | None = None
    source: float | None = None

    fits = "CT"
    slow = True
    sinogram = True

    def __post_init__(self) -> None:
        if not 0 < self.dose <= 1:
            raise ValueError(f"dose={self.dose:g}, expected above 0 to 1")
        if min(self.electronic, self.bowtie) < 0:
            raise ValueError(
                f"electronic={self.electronic:g}, bowtie={self.bowtie:g}, expected 0 or more"
            )
        for name in ("n0", "cutoff", "channel", "source"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value:g}, expected above 0")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in HU.

        Raises:
            UsageError: It is not in HU, its pixels are not square, or nobody knows its noise.
        """
        if given.unit != UNITS["CT"]:
            raise UsageError(f"low-dose needs images in HU, and these are in {given.unit}")
        pixel = pixel_of(given)
        source = None if self.source is None else self.source / pixel
        try:
            radon = radon_of(image.shape, (self.channel or pixel) / pixel, source)
        except ValueError as error:
            raise UsageError(f"low-dose: {error}") from None
        lengths = paths(image, pixel, radon, given.device)
        rise = torch.exp(lengths) / self._filtered(radon, pixel).to(lengths)
        hounsfield = 1000 / (WATER * pixel)
        inverse = (
            1 / self.n0 if self.n0 else self._calibrated(image, given, rise, radon, hounsfield)
        )
        quantum = (1 / self.dose - 1) * inverse * rise
        circuits = (1 / self.dose**2 - 1) * (inverse * self.electronic * rise) ** 2
        white = torch.from_numpy(rng.standard_normal(rise.shape, np.float32)).to(rise)
        noise = fbp((quantum + circuits).sqrt() * white, radon, self.kernel, self.cutoff)
        added: Image = (hounsfield * noise)[0, 0].cpu().numpy()
        return image + added

    def _filtered(self, radon: Radon, pixel: float) -> Tensor:
        """Share of the photons that the beam filter lets through in each channel, ``(C,)``."""
        radius = self.bowtie / 2
        lengths = (radius**2 - (radon.offsets * pixel) ** 2).clamp(0).sqrt()
        return torch.exp(2 * WATER * (lengths - radius)).float()

    def _calibrated(
        self, image: Image, given: Given, rise: Tensor, radon: Radon, hounsfield: float
    ) -> float:
        """``1 / N`` that explains the noise of the source: the root of a quadratic equation."""
        if given.sigma is None:
            raise UsageError(
                "low-dose: the noise of the source is not known; state n0, as in n0=1e5"
            )
        scale = hounsfield * pi / radon.views / radon.pitch
        gain = scale**2 * gain_of(radon, self.kernel, self.cutoff)
        weighted = rise * before(radon).to(rise) ** 2
        body = body_mask(image, "CT")
        quantum = gain * _middle(weighted, radon, body)
        circuits = 0.0
        if self.electronic:
            circuits = gain * self.electronic**2 * _middle(weighted * rise, radon, body)
        variance = float(given.sigma) ** 2
        return 2 * variance / (quantum + sqrt(quantum**2 + 4 * circuits * variance))


def _middle(variance: Tensor, radon: Radon, body: Mask) -> float:
    """Median within the body of the rays' variances added up, from an eighth of the views."""
    few = replace(radon, views=ceil(radon.views / 8))
    summed = backproject(interpolate(variance, (few.views, few.channels)), few, power=2)
    values = summed[0, 0].cpu().numpy() * (radon.views / few.views)
    return float(np.median(values[body] if body.any() else values))


PROVIDES = LowDose
