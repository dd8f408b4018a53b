"""Pictures of what ``denoising.py`` measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from statistics import fmean
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FormatStrFormatter


def psnr_over_seconds(rows: Iterable[Any], path: str) -> None:
    """A panel a noise level, a point a model: up is better, left is quicker."""
    rows = [row for row in rows if row.model != "noisy"]
    sigmas = sorted({row.sigma for row in rows})
    size = (3.2 * len(sigmas), 4)
    figure, panels = plt.subplots(1, len(sigmas), figsize=size, squeeze=False, layout="constrained")
    for panel, sigma in zip(panels[0], sigmas, strict=True):
        shapes = cycle("os^DvPX*")  # models differ for whoever sees no colours, too
        for row in (row for row in rows if row.sigma == sigma):
            psnr = fmean(row.psnr.values())
            panel.semilogx(row.seconds, psnr, next(shapes), markersize=8, label=row.model)
        panel.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        panel.margins(x=0.1, y=0.1)
        panel.set_title(f"sigma {sigma:g}")
        panel.grid(alpha=0.3)
    panels[0, 0].set_ylabel("PSNR, dB")
    figure.supxlabel("seconds a slice of 256x256 pixels")
    named = panels[0, 0].get_legend_handles_labels()
    figure.legend(*named, loc="outside upper center", ncols=8, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def residuals(
    pairs: Sequence[Any],
    models: Mapping[str, Callable[[Any], Any]],
    path: str,
    *,
    detail: int | None = None,
) -> None:
    """A column a model: of each slice its result in the window of the clean one, and what it took.

    All residuals have one window, 3 sigma either side of 0: structure in them is lost detail.
    ``detail`` is the width in pixels of the middle that is drawn; all where it is not given.
    """
    columns, rows = 1 + len(models), 2 * len(pairs)
    size = (2.2 * columns, 2.3 * rows)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for above, below, pair in zip(panels[::2], panels[1::2], pairs, strict=True):
        results = {name: denoise(pair) for name, denoise in models.items()}
        wide, most = float(pair.given.scale), 3 * float(pair.given.sigma)
        shown = {"clean": pair.clean, **results}.items()
        part = tuple(_middle(size, detail or size) for size in pair.clean.shape)
        for upper, lower, (name, image) in zip(above, below, shown, strict=True):
            upper.imshow(image[part], cmap="gray", vmin=0, vmax=wide)
            upper.set_title(name, fontsize=9)
            lower.imshow((pair.noisy - image)[part], cmap="gray", vmin=-most, vmax=most)
            lower.set_title("the noise" if name == "clean" else "removed", fontsize=8)
    for panel in panels.flat:
        panel.set_axis_off()
    sigma = float(pairs[0].given.sigma) / float(pairs[0].given.scale)
    figure.suptitle(f"sigma {sigma:.3g}; removed: 3 sigma either side of 0", fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _middle(size: int, wanted: int) -> slice:
    start = max(0, (size - wanted) // 2)
    return slice(start, start + wanted)
