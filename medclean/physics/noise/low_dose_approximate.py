"""Low-dose CT approximated in the image domain: even noise with the spectrum of FBP."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class LowDoseApproximate:
    """``y = x + n`` with the noise power of filtered back-projection, ``|f| W(f)^2 sinc(f)^4``.

    ``W`` is a Hann window, ``sinc^4`` is from linear interpolation between channels (Riederer,
    Pelc and Chesler, Physics in Medicine and Biology 23, 1978; frequencies in cycles a pixel). An
    approximation of ``low-dose``, quick enough for training: its level is the same everywhere and
    in all directions, so it has no streaks and is not louder behind bone.

    Attributes:
        sigma: Standard deviation of the added noise: a fraction of the scale, or with a unit.
        cutoff: Where the Hann window ends, as a share of the Nyquist frequency.
    """

    sigma: Level = 0.01
    cutoff: float = 1.0

    fits = "CT"

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if not self.cutoff > 0:
            raise ValueError(f"cutoff={self.cutoff:g}, expected above 0")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in HU, or normalised."""
        rows, columns = image.shape
        frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns))
        share = np.minimum(2 * frequency / self.cutoff, 1)
        window = (1 + np.cos(np.pi * share)) / 2
        amplitude = np.sqrt(frequency) * window * np.sinc(frequency) ** 2
        amplitude = (amplitude / (np.sqrt(np.mean(amplitude**2)) or 1)).astype(np.float32)
        white = rng.standard_normal(image.shape, np.float32)
        noise: Image = scipy.fft.ifft2(scipy.fft.fft2(white) * amplitude).real
        return image + np.float32(given.absolute(self.sigma)) * noise


PROVIDES = LowDoseApproximate
