"""How a clean slice and a noisy one come to be that show the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from medclean.catalog import MASKS
from medclean.errors import UsageError
from medclean.jobs.train import TrainJob
from medclean.options import parse, split
from medclean.physics.masks._base import Pattern
from medclean.physics.noise._base import zero
from medclean.physics.noise._chain import Chain
from medclean.physics.recon.zero_filled import undersampled
from medclean.training.augmentation import Augment, cut, whole
from medclean.training.noise import Noise
from medclean.training.slices import Series, Slices
from medclean.training.versions import Kept, Version
from medclean.volume import Given, Image, scale_of

Place: TypeAlias = tuple[Series, int, int]  # axis, and position along it


class Pair(NamedTuple):
    """A slice or a patch, noisy and clean, in real-world units.

    Attributes:
        noisy: ``(context, H, W)``.
        clean: ``(H, W)``.
        given: What is known about ``noisy``; ``scale`` is the clean series'.
        scale: Of the noisy series, for the normaliser.
    """

    noisy: Image
    clean: Image
    given: Given
    scale: float

    @property
    def peak(self) -> float:
        """The clean series' scale."""
        return float(self.given.scale)


class Held(NamedTuple):
    """A whole slice of somebody who is held out.

    Attributes:
        label: What its noise is called in figures: its sigma as a share of scale, or a name.
        pair: The slice.
    """

    label: str
    pair: Pair


@dataclass(frozen=True)
class Pairing:
    """Noise on the fly, k-space sampled in part, or noisy versions that are there.

    Where the cache has noisy versions they are taken, and moved by whole pixels alone: their noise
    would not be itself after a resampling. Masks sample whole slices before patches are cut.

    Attributes:
        noise: Drawn anew for each sample; None for none.
        masks: By name; one of them, drawn anew, for each sample.
        augment: What is varied.
    """

    noise: Noise | None = None
    masks: tuple[tuple[str, Pattern], ...] = ()
    augment: Augment = "all"

    @classmethod
    def of(cls, job: TrainJob, modality: str) -> "Pairing":
        """What a job asks for, for images of a modality.

        Raises:
            UsageError: No such noise or mask, one that images of this modality cannot have, a
                wrong option, or a mask with noise that is slow to draw.
        """
        noise = Noise(*job.noise).fitting(modality) if job.noise else None
        if job.mask is not None and modality != "MR":
            raise UsageError(f"--mask: k-space is sampled in MR, and these are {modality} images")
        if job.mask is not None and noise is not None and noise.slow:
            raise UsageError(
                f"--mask: {', then '.join(noise.specs)} is kept in a few draws, and masks sample "
                "each image anew; name a noise that is drawn for each patch, or none"
            )
        texts = split(job.mask, "|") if job.mask is not None else []
        masks = tuple((parse(text)[0], MASKS.make(text)) for text in texts)
        return cls(noise, masks, job.augment)

    def specs(self, job: TrainJob) -> list[str]:
        """What is done to clean images, in words for logs and cards."""
        if job.pairs:
            return ["recorded pairs"]
        sampled = [] if job.mask is None else [f"k-space sampled by {job.mask}"]
        return [*(self.noise.specs if self.noise else ()), *sampled]

    @property
    def told(self) -> bool:
        """Whether the noise level of each image is known; that of what is kept is measured."""
        if self.noise is None:
            return not self.masks
        return self.noise.told or self.noise.slow

    def kept(self, job: TrainJob, part: str, device: str) -> Kept:
        """Which noisy versions the cache of a part of the data set has, and where they are made."""
        if self.noise is None or not self.noise.slow:
            return Kept()
        count = job.realisations if part == "train" else 1
        return Kept(self.noise, count, job.seed, device)

    def patch(
        self, slices: Slices, place: Place, patch: int, context: int, rng: np.random.Generator
    ) -> Pair:
        """A patch of a slice, or with 0 all of it; the middle one of its neighbours is clean."""
        series, axis, position = place
        stack = slices.stack(series, axis, position, context)
        if series.versions:
            version = series.versions[int(rng.integers(len(series.versions)))]
            noisy = slices.stack(series, axis, position, context, file=version.file)
            both = np.concatenate([noisy, stack[context // 2][None]])
            both = _cut(both, patch, series, rng, _still(self.augment))
            return Pair(both[:-1], both[-1], _known(series, axis, version), version.scale)
        chain = self._chain(rng)
        if self.masks:
            pair = self._sampled(whole(stack, rng, self.augment), place, chain, rng)
            both = np.concatenate([pair.noisy, pair.clean[None]])
            both = _cut(both, patch, series, rng, "none")
            return pair._replace(noisy=both[:-1], clean=both[-1])
        clean = _cut(stack, patch, series, rng, self.augment)
        return _noised(clean, slices, place, chain, rng)

    def levels(self, slices: Slices, sigmas: Sequence[float]) -> list[float | None]:
        """Of these sigmas, those that held-out slices get; None for noise as it comes."""
        known = any(series.versions for series in slices.series) or self.masks
        return [None] if known or not (self.noise and self.noise.levelled) else [*sigmas]

    def held(
        self,
        slices: Slices,
        place: Place,
        context: int,
        sigma: float | None,
        rng: np.random.Generator,
    ) -> Held:
        """A whole slice, as it is.

        Args:
            slices: That it is of.
            place: There.
            context: How many neighbours it has, itself included.
            sigma: One of ``levels``.
            rng: Decides.
        """
        series, axis, position = place
        stack = np.asarray(slices.stack(series, axis, position, context))
        if series.versions:
            version = series.versions[int(rng.integers(len(series.versions)))]
            noisy = np.asarray(slices.stack(series, axis, position, context, file=version.file))
            given = _known(series, axis, version)
            return Held(version.label, Pair(noisy, stack[context // 2], given, version.scale))
        if sigma is not None and self.noise is not None:
            chain = self.noise.at(sigma, rng)
            return Held(f"{sigma:g}", _noised(stack, slices, place, chain, rng))
        chain = self._chain(rng)
        if self.masks:
            names = "|".join(dict.fromkeys(name for name, _ in self.masks))
            return Held(names, self._sampled(stack, place, chain, rng))
        return Held("+".join(chain.names), _noised(stack, slices, place, chain, rng))

    def _chain(self, rng: np.random.Generator) -> Chain:
        return self.noise.draw(rng) if self.noise else Chain(())

    def _sampled(self, stack: Image, place: Place, chain: Chain, rng: np.random.Generator) -> Pair:
        """Whole slices with noise, and of their k-space what a mask leaves, alike for all."""
        series, axis, _ = place
        given, clean = chain.given(series.given(axis)), stack[len(stack) // 2]
        _, pattern = self.masks[int(rng.integers(len(self.masks)))]
        noisy = np.stack([chain(image, rng, given) for image in stack])
        noisy = undersampled(noisy, pattern(stack.shape[1:], rng), zero(given))
        brighter = scale_of(noisy, series.modality) / scale_of(clean, series.modality)
        return Pair(noisy, clean, given, series.scale * brighter)


def _noised(
    stack: Image, slices: Slices, place: Place, chain: Chain, rng: np.random.Generator
) -> Pair:
    """Each of some neighbours with noise of its own."""
    series, axis, _ = place
    given = chain.given(series.given(axis))
    noisy = np.stack([chain(np.asarray(image), rng, given) for image in stack])
    scale = scale_of_noisy(slices.pool(series), chain, given, rng)
    return Pair(noisy, np.asarray(stack[len(stack) // 2]), given, scale)


def scale_of_noisy(pool: Image, noise: Chain, given: Given, rng: np.random.Generator) -> float:
    """What the normaliser would find: the scale of the series with this noise."""
    if given.modality == "CT":
        return given.scale  # type: ignore[return-value]  # of one image, so a float
    return scale_of(noise(np.asarray(pool), rng, given), given.modality)


def _known(series: Series, axis: int, version: Version) -> Given:
    return replace(series.given(axis), sigma=version.sigma)


def _cut(
    stack: Image, patch: int, series: Series, rng: np.random.Generator, augment: Augment
) -> Image:
    """A patch of some neighbours, or with 0 all of them."""
    return cut(stack, patch, series.bright, rng, augment) if patch else whole(stack, rng, augment)


def _still(augment: Augment) -> Augment:
    """Of it, what moves no pixel between others."""
    return "flips" if augment == "all" else augment
