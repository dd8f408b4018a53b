"""Noise power spectra of results, in one plot."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medclean.files import writing
from medclean.quality.metrics._spectrum import Spectrum


def spectra(curves: Mapping[str, Spectrum], path: Path, *, unit: str, region: str) -> None:
    """Draw the radial spectrum of each result; a dotted line marks its mean frequency.

    Args:
        curves: By the name of the result.
        path: A PNG file in a folder that exists.
        unit: Of the images.
        region: Where they were measured.

    Raises:
        WriteError: The file cannot be written.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)  # no display is asked for
    axes = figure.add_subplot()
    for name, curve in curves.items():
        mean = curve.mean_frequency
        (line,) = axes.plot(
            curve.frequency, curve.power, label=f"{name}, mean {mean:.2f}/mm", linewidth=1.4
        )
        axes.axvline(mean, color=line.get_color(), linestyle=":", linewidth=1)
    axes.set(
        xlabel="spatial frequency in 1/mm",
        ylabel=f"NPS in {unit}² mm²",
        title=f"NPS of result - reference, where the {region} is flattest",
        xlim=(0, None),
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
