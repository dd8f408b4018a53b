"""A figure is drawn of what it is given, and its figures of merit are those of skimage."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from medclean.report.figures import Comparison, merit, triptych


def comparison(*, clean: bool = True, rows: int = 40) -> Comparison:
    rng = np.random.default_rng(0)
    truth = rng.normal(100, 30, (rows, 50)).astype(np.float32)
    return Comparison(
        name="Noise: before",
        before=truth + rng.normal(0, 20, truth.shape).astype(np.float32),
        after=truth,
        window=(0, 200),
        unit="au",
        spacing=1.0,
        clean=truth if clean else None,
        data_range=200,
        zoom=(5, 5, 12),
    )


def test_a_picture_has_a_row_a_slice_and_shows_the_truth_where_it_is_known(tmp_path: Path) -> None:
    sizes = {}
    for name, rows in (
        ("one", [comparison()]),
        ("two", [comparison(), comparison(rows=20)]),
        ("blind", [comparison(clean=False)]),
    ):
        triptych(rows, tmp_path / f"{name}.png", dpi=40)
        sizes[name] = imread(tmp_path / f"{name}.png").shape
    assert sizes["two"][0] > sizes["one"][0]
    assert sizes["two"][1] == sizes["one"][1] > sizes["blind"][1]


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        triptych([comparison()], tmp_path / name, dpi=40)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_merit_takes_its_peak_from_the_caller() -> None:
    row = comparison()
    psnr, ssim = merit(row.before, row.after, 200)
    rmse = float(np.sqrt(np.mean((row.before - row.after) ** 2)))
    assert psnr == pytest.approx(20 * np.log10(200 / rmse), abs=1e-4)
    assert merit(row.before, row.after, 400)[0] == pytest.approx(psnr + 20 * np.log10(2), abs=1e-4)
    assert 0 < ssim < 1
    assert merit(row.after, row.after, 200)[1] == pytest.approx(1)


def test_a_slice_without_change_can_be_drawn(tmp_path: Path) -> None:
    flat = np.zeros((8, 8), np.float32)
    triptych([Comparison("Nothing", flat, flat, (0, 1), "au", 1.0)], tmp_path / "a.png", dpi=20)
    assert (tmp_path / "a.png").stat().st_size > 0
