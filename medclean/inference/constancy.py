"""A constancy test: a built-in slice through a checkpoint, today and when its card was made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medclean.catalog import NORMALISERS
from medclean.checkpoints import Card
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.models._base import Model
from medclean.volume import CT_SCALE, UNITS, Given, Image

SHAPE = (120, 136)  # networks of stride 16 have to pad it
BLOCKS = 8  # along each side: the figures are means of 15 x 17 pixels
NOISE = 0.05  # of scale
ALLOWED = 1e-5  # of scale: processors differ by 1e-7, bfloat16 by 1e-4
ELLIPSES = (  # centre and half axes as shares of height and width, value as a share of scale
    (0.50, 0.50, 0.44, 0.40, 0.80),
    (0.50, 0.50, 0.40, 0.36, -0.45),
    (0.42, 0.36, 0.16, 0.08, -0.20),
    (0.42, 0.64, 0.16, 0.08, -0.20),
    (0.70, 0.50, 0.06, 0.10, 0.30),
    (0.30, 0.50, 0.02, 0.02, 0.40),
    (0.58, 0.42, 0.01, 0.01, 0.40),
)


def reading(model: Model, card: Card, device: str = "cpu") -> dict[str, Any]:
    """What a checkpoint makes of the built-in slice, in float32.

    Args:
        model: With its weights; it is moved to the device.
        card: Its card.
        device: As torch spells it.

    Returns:
        ``mean`` and ``sd`` of the result, and ``blocks``, the means of its 8 x 8 parts, row by
        row; each as a share of scale.
    """
    image, given = built_in(card.modality)
    engine = Engine.on(Rung(device, 1), model, normaliser=NORMALISERS.make(card.normaliser))
    stack = np.broadcast_to(image, (1, model.context, *SHAPE)).copy()
    result = engine.denoise(stack, given)[0] / np.float64(given.scale)
    height, width = (side // BLOCKS for side in SHAPE)
    blocks = result.reshape(BLOCKS, height, BLOCKS, width).mean(axis=(1, 3))
    return {
        "mean": float(result.mean()),
        "sd": float(result.std()),
        "blocks": [[round(float(value), 7) for value in row] for row in blocks],
    }


def difference(now: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, float]:
    """How far two readings lie apart, as shares of scale: ``mean``, ``sd``, the worst block."""
    return {name: float(np.abs(np.subtract(now[name], stored[name])).max()) for name in now}


def built_in(modality: str) -> tuple[Image, Given]:
    """A slice of ellipses with noise, ``(120, 136)``, the same wherever it is made.

    Its noise comes from numpy's legacy generator, whose stream is frozen (NEP 19).
    """
    rows, columns = ((np.arange(side) + 0.5)[:, None] / side for side in SHAPE)
    image = np.zeros(SHAPE)
    for row, column, high, wide, value in ELLIPSES:
        distance = ((rows - row) / high) ** 2 + ((columns.T - column) / wide) ** 2
        image += value * (distance < 1)
    image += NOISE * np.random.RandomState(0).standard_normal(SHAPE)
    scale, least = (CT_SCALE, -1000.0) if modality == "CT" else (1000.0, 0.0)
    given = Given(UNITS[modality], scale, (1.0, 1.0, 1.0), modality, sigma=NOISE * scale)
    return (least + scale * image).astype(np.float32), given
