"""Pictures of what ``denoising.py`` measures."""

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def psnr_over_seconds(rows: Iterable[Any], path: str) -> None:
    """A panel a noise level, a point a model: up is better, left is quicker."""
    rows = [row for row in rows if row.model != "noisy"]
    sigmas = sorted({row.sigma for row in rows})
    figure, panels = plt.subplots(1, len(sigmas), figsize=(3.4 * len(sigmas), 3.6), squeeze=False)
    for panel, sigma in zip(panels[0], sigmas, strict=True):
        for row in (row for row in rows if row.sigma == sigma):
            psnr = fmean(row.psnr.values())
            panel.semilogx(row.seconds, psnr, "o")
            panel.annotate(
                row.model, (row.seconds, psnr), xytext=(4, 4), textcoords="offset points"
            )
        panel.margins(x=0.25, y=0.12)
        panel.set(title=f"sigma {sigma:g}", xlabel="seconds a slice")
        panel.grid(alpha=0.3)
    panels[0, 0].set_ylabel("PSNR, dB")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def residuals(pair: Any, models: Mapping[str, Callable[[Any], Any]], path: str) -> None:
    """A column a model: its result in the window of the clean slice, and what it removed.

    All residuals have one window, 3 sigma either side of 0: structure in them is lost detail.
    """
    results = {name: denoise(pair) for name, denoise in models.items()}
    shown = {"clean": pair.clean, **results}
    wide, sigma = float(pair.given.scale), float(pair.given.sigma)
    figure, panels = plt.subplots(2, len(shown), figsize=(2.2 * len(shown), 4.7), squeeze=False)
    for (above, below), (name, image) in zip(panels.T, shown.items(), strict=True):
        above.imshow(image, cmap="gray", vmin=0, vmax=wide)
        above.set_title(name, fontsize=9)
        below.imshow(pair.noisy - image, cmap="gray", vmin=-3 * sigma, vmax=3 * sigma)
        for panel in (above, below):
            panel.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=130)
    plt.close(figure)
