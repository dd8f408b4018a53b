"""How patches are varied: geometry before there is noise, intensity after it.

All of a patch's geometry is one resampling by cubic splines, since each more would blur it, and
every draw is from the sample's own generator. MONAI's transforms resample one after another, with
states of their own, and take seconds to import in each worker: so none is used here.
"""

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom

from medclean.volume import Given, Image

Augment: TypeAlias = Literal["all", "flips", "none"]

TURNED = 0.25  # share of the patches that are turned by any angle, stretched and bent
ANGLE = 15.0  # degrees
STRETCH = (0.9, 1.1)
BENT = 2.0  # pixels that the nodes of an elastic grid move, standard deviation
NODES = 4  # of that grid along each side
BRIGHTNESS = (0.8, 1.1)  # factor on both images
ADJUSTED = 0.25  # share of the patches whose contrast and gamma are others
CONTRAST = (0.9, 1.1)  # factor about the middle of the scale
GAMMA = (0.8, 1.25)
TOE = 0.1  # of the scale, below which a gamma curve is nearly straight
TRIES = 4  # patches to choose from where the first show nothing


def cut(
    stack: Image, patch: int, bright: float, rng: np.random.Generator, augment: Augment = "all"
) -> Image:
    """A patch of a slice and its neighbours: placed, and as asked turned, bent and flipped.

    Args:
        stack: ``(C, H, W)``; mirrored at its edges where it is smaller than the patch.
        patch: Width of the result.
        bright: Value above which there is content; that of the last image decides.
        rng: Decides.
        augment: All, flips and quarter turns alone, which move no pixel between others, or none.
    """
    turned = augment == "all" and rng.random() < TURNED
    width = patch + patch // 2 if turned else patch  # 1.36 of it is needed at most
    for _ in range(TRIES):
        piece = _piece(stack, width, rng)
        if (piece[-1] > bright).mean() > 0.1:
            break
    piece = turn(piece, (patch, patch), rng) if turned else piece
    if augment != "none":
        piece = piece[:, :, ::-1] if rng.random() < 0.5 else piece
        piece = np.rot90(piece, int(rng.integers(4)), (1, 2))
    return np.ascontiguousarray(piece, dtype=np.float32)


def whole(stack: Image, rng: np.random.Generator, augment: Augment = "all") -> Image:
    """A whole slice and its neighbours, for what is done to whole slices: as ``cut``, uncut."""
    if augment == "all" and rng.random() < TURNED:
        stack = turn(stack, stack.shape[1:], rng)
    if augment != "none":
        down, across = (1 - 2 * int(side) for side in rng.integers(2, size=2))
        stack = stack[:, ::down, ::across]
    return np.ascontiguousarray(stack, dtype=np.float32)


def turn(piece: Image, shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    """Turn, stretch and bend about the middle, by cubic splines.

    Args:
        piece: ``(C, H, W)``.
        shape: Of the result; from the middle of the piece.
        rng: Decides.
    """
    angle = np.deg2rad(rng.uniform(-ANGLE, ANGLE))
    stretch = 1 / rng.uniform(*STRETCH)
    matrix = stretch * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centred = [np.arange(side) - (side - 1) / 2 for side in shape]
    middle = (np.array(piece.shape[1:]) - 1) / 2
    places = np.stack(np.meshgrid(*centred, indexing="ij"))
    places = np.tensordot(matrix, places, 1) + middle[:, None, None] + _bend(shape, rng)
    low = float(piece.min())
    planes = [map_coordinates(plane, places, order=3, mode="mirror") for plane in piece]
    return np.stack([np.maximum(plane, low) for plane in planes])  # splines ring below nothing


def adjusted(
    noisy: Image, clean: Image, given: Given, rng: np.random.Generator
) -> tuple[Image, Image, Given]:
    """Other brightness, at times contrast and gamma, alike of both; none in CT, where HU are HU.

    Args:
        noisy: ``(C, H, W)`` in the network's units; so are ``clean`` and ``given``.
        clean: ``(H, W)``: what belongs to the middle one.
        given: What is known about ``noisy``: scale and noise level follow.
        rng: Decides.
    """
    if given.modality == "CT":
        return noisy, clean, given
    factor = rng.uniform(*BRIGHTNESS)
    if rng.random() >= ADJUSTED:
        return noisy * factor, clean * factor, given.times(factor)
    contrast, power = rng.uniform(*CONTRAST), float(np.exp(rng.uniform(*np.log(GAMMA))))
    unit = float(given.scale)
    middle = unit * (1 - contrast) / 2

    def shown(image: Image) -> Image:
        curved = _gamma(image / unit, power) * unit
        seen: Image = (middle + contrast * curved) * factor
        return seen

    after = shown(noisy), shown(clean)
    middle_one = len(noisy) // 2
    before, now = (float(np.std(n[middle_one] - c)) for n, c in ((noisy, clean), after))
    louder = now / before if before > 0 else factor * contrast
    sigma = None if given.sigma is None else given.sigma * louder
    return *after, replace(given.times(factor * contrast), sigma=sigma)


def _gamma(image: Image, power: float) -> Image:
    """``x^power`` from 0 to 1, but nearly straight around 0, where noise is of either sign."""
    curved: Image = (image * ((np.abs(image) + TOE) / (1 + TOE)) ** (power - 1)).astype(np.float32)
    return curved


def _piece(stack: Image, width: int, rng: np.random.Generator) -> Image:
    """A window of this width, anywhere."""
    _, rows, columns = stack.shape
    top = int(rng.integers(max(rows - width, 0) + 1))
    left = int(rng.integers(max(columns - width, 0) + 1))
    piece = np.asarray(stack[:, top : top + width, left : left + width])
    missing = [(0, 0), *((0, width - side) for side in piece.shape[1:])]
    return np.pad(piece, missing, mode="symmetric") if sum(missing[1] + missing[2]) else piece


def _bend(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth displacements ``(2, H, W)`` in pixels: cubic splines through a few nodes."""
    nodes = rng.normal(0, BENT, (2, NODES, NODES))
    bent = [zoom(axis, [side / NODES for side in shape], order=3, mode="nearest") for axis in nodes]
    return np.stack(bent)
