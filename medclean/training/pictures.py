"""``validation.png``: held-out slices as they are, with noise, and as the model leaves them."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medclean.volume import Image

COLUMNS = ("noisy", "denoised", "clean", "removed")
SIDE = 2.6  # inches of a panel
REACH = 3.0  # of the noise, that the grey scale of what was removed spans on each side


class Example(NamedTuple):
    """A held-out slice.

    Attributes:
        label: What its noise is called.
        noisy: ``(H, W)``, in real-world units; so are ``denoised`` and ``clean``.
        denoised: What the model made of it.
        clean: The truth.
    """

    label: str
    noisy: Image
    denoised: Image
    clean: Image


def grid(examples: Sequence[Example], title: str) -> bytes:
    """A row for each slice as PNG; all images of a row in one window, what was removed around 0."""
    figure = Figure(figsize=(SIDE * len(COLUMNS), SIDE * len(examples) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)  # no display is asked for
    figure.suptitle(title)
    for row, example in enumerate(examples):
        low, high = (float(value) for value in np.percentile(example.clean, (0.5, 99.8)))
        reach = REACH * (float(np.std(example.noisy - example.clean)) or 1.0)
        removed = example.noisy - example.denoised
        images = (example.noisy, example.denoised, example.clean, removed)
        for column, (name, image) in enumerate(zip(COLUMNS, images, strict=True)):
            axes = figure.add_subplot(len(examples), len(COLUMNS), row * len(COLUMNS) + column + 1)
            window = (-reach, reach) if name == "removed" else (low, high)
            axes.imshow(image, cmap="gray", vmin=window[0], vmax=window[1])
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(name)
            if column == 0:
                axes.set_ylabel(called(example.label))
    image_file = io.BytesIO()
    figure.savefig(image_file, format="png", dpi=80)
    return image_file.getvalue()


def called(label: str) -> str:
    """A noise in words: ``sigma 0.1`` for ``0.1``, a name as it is."""
    return f"sigma {label}" if label[:1].isdigit() else label
