"""Batches, tiles, statistics and the ladder: what lies between a series and a model."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, pad

from medclean.archive.series import Frame, Group, Instance, Series
from medclean.errors import UsageError
from medclean.inference.batches import cut, read_ahead
from medclean.inference.engine import Engine
from medclean.inference.ensemble import ensemble
from medclean.inference.ladder import OutOfMemory, Rung, below
from medclean.inference.statistics import statistics, summarise, together
from medclean.inference.tiles import by_tiles, spans
from medclean.models._base import Model
from medclean.volume import Given, scale_of
from tiny import tiny

IDENTITY = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
GIVEN = Given("au", 100.0, (1.0, 1.0, 1.0), "MR")


def series(*group_sizes, frames_per_instance=1):
    groups, start = [], 0
    for size in group_sizes:
        places = range(start, start + size)
        frames = tuple(Frame(*divmod(place, frames_per_instance)) for place in places)
        groups.append(Group(frames, (8, 8), IDENTITY, (1.0, 1.0, 1.0)))
        start += size
    files = tuple(
        Instance(f"{i}.dcm", frames_per_instance, 1) for i in range(start // frames_per_instance)
    )
    return Series("0" * 16, "dicom", "MR", "au", files, tuple(groups))


@given(st.integers(1, 300), st.integers(24, 80), st.integers(0, 20), st.sampled_from([1, 2, 4, 8]))
def test_spans_cover_an_axis_once_with_the_overlap(length, tile, overlap, stride):
    assume(tile >= overlap + stride)
    cuts = list(spans(length, tile, overlap=overlap, stride=stride))
    assert [cut.first for cut in cuts] == [0, *(cut.last for cut in cuts[:-1])]
    assert cuts[-1].last == length
    for before, after in pairwise(cuts):
        assert before.stop - after.start >= overlap
        assert before.stop - before.last >= overlap // 2
        assert after.first - after.start >= overlap // 2
    assert all(cut.start % stride == 0 and cut.stop - cut.start <= tile for cut in cuts)


def test_a_tile_too_narrow_for_the_model_is_refused():
    with pytest.raises(UsageError, match="tile is 40, expected at least 60"):
        list(spans(100, 40, overlap=56, stride=4))


def pooled(images):
    """A network of stride 4 that sees 9 pixels around, and pads to its stride by itself."""
    height, width = images.shape[-2:]
    padded = pad(images, (0, -width % 4, 0, -height % 4), "reflect")
    fine = conv2d(padded, torch.ones(1, 1, 3, 3) / 9, padding=1)
    coarse = max_pool2d(avg_pool2d(fine, 4), 1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return (fine + coarse)[..., :height, :width]


@pytest.mark.parametrize("shape", [(97, 130), (64, 64), (33, 200)])
def test_tiles_together_equal_the_whole_slice(shape):
    images = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    tiled = by_tiles(pooled, images, 48, overlap=12, stride=4)
    torch.testing.assert_close(tiled, pooled(images))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_scale_is_the_percentile_of_the_whole_series(seed, instances):
    rng = np.random.default_rng(seed)
    parts = [
        rng.gamma(2, 100, (rng.integers(1, 3), 40, 50)).astype(np.float32) for _ in range(instances)
    ]
    masks = [rng.random(part.shape) < 0.3 for part in parts]
    total = sum(part.size for part in parts)
    summaries = [
        summarise(part, mask, total=total, noise=False)
        for part, mask in zip(parts, masks, strict=True)
    ]
    whole, padding = np.concatenate(parts), np.concatenate(masks)
    summary = reduce(partial(together, total=total), summaries)
    assert len(summary.top) <= total // 1000 + 3
    found = statistics(summary, "MR").scale
    assert found == pytest.approx(scale_of(whole, "MR", padding), rel=1e-6)
    assert statistics(summary, "MR", rule="max").scale == whole[~padding].max()
    assert statistics(summary, "CT").scale == 4000


def test_an_empty_series_has_scale_one():
    nothing = np.zeros((1, 8, 8), np.float32)
    everywhere = np.ones_like(nothing, bool)
    for padding in (None, everywhere):
        summary = summarise(nothing, padding, total=64, noise=True)
        assert statistics(summary, "MR").scale == 1
        assert statistics(summary, "MR").sigma == 0


def test_cuts_are_by_position_and_never_mix_groups():
    cuts = cut(series(5, 3), batch=2, context=3)
    assert [[frame.instance for frame in c.own] for c in cuts] == [[0, 1], [2, 3], [4], [5, 6], [7]]
    assert [[f.instance for f in window] for window in cuts[0].windows] == [[0, 0, 1], [0, 1, 2]]
    assert [[f.instance for f in window] for window in cuts[2].windows] == [[3, 4, 4]]
    assert cuts[3].instances == {5, 6, 7}
    assert [len(c.own) for c in cut(series(5, 3), batch=None, context=1)] == [5, 3]


def test_an_instance_is_read_once_and_held_until_its_last_use():
    reads = []

    def read(instance):
        reads.append(instance)
        future = Future()
        future.set_result(instance)
        return future

    cuts = cut(series(12, frames_per_instance=3), batch=2, context=1)
    seen = []
    for this, pixels in read_ahead(cuts, read, ahead=1):
        seen.append(sorted(pixels))
        assert max(reads) <= max(this.instances) + 1
    assert reads == [0, 1, 2, 3]
    assert seen == [[0], [0, 1], [1], [2], [2, 3], [3]]


def test_the_ladder_halves_the_batch_then_tiles_then_leaves_the_device():
    rungs = [str(rung) for rung in below(Rung("cuda:0", 4), by_slice=True)]
    assert rungs == [
        "cuda:0, batch 2, whole slices",
        "cuda:0, batch 1, whole slices",
        "cuda:0, batch 1, tiles of 512",
        "cuda:0, batch 1, tiles of 256",
        "cpu, batch 1, whole slices",
    ]
    assert list(below(Rung("cpu", 1, 256), by_slice=True)) == []
    assert [str(rung) for rung in below(Rung("cuda:0", 4), by_slice=False)] == [
        "cpu, batch 1, whole slices"
    ]


class Doubles(Model):
    """Twice the input; too large a batch runs out of memory."""

    kind, scope, context, receptive_field, stride = "network", "slice", 1, 1, 1

    def forward(self, images, given):
        if len(images) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 99 bytes")
        assert images.max() <= 1
        return 2 * images


@dataclass(frozen=True)
class ByScale:
    """Divide by the scale and back."""

    def forward(self, images, given):
        return images / given.scale, given.times(1 / given.scale)

    def inverse(self, images, given, source):
        return images * given.scale


def test_an_engine_works_in_real_units_and_blends():
    images = np.linspace(0, 100, 2 * 8 * 8, dtype=np.float32).reshape(2, 1, 8, 8)
    whole, half = (
        Engine.on(Rung("cpu", 2), Doubles(None), normaliser=ByScale(), strength=strength)
        for strength in (1.0, 0.5)
    )
    np.testing.assert_allclose(whole.denoise(images, GIVEN), 2 * images[:, 0], rtol=1e-6)
    np.testing.assert_allclose(half.denoise(images, GIVEN), 1.5 * images[:, 0], rtol=1e-6)


def test_running_out_of_memory_is_told_apart_from_a_bug():
    engine = Engine.on(Rung("cpu", 4), Doubles(None), normaliser=None)
    with pytest.raises(OutOfMemory, match="cpu, batch 4"):
        engine.denoise(np.zeros((3, 1, 8, 8), np.float32), GIVEN)
    with pytest.raises(AssertionError):
        engine.denoise(np.full((1, 1, 8, 8), 2, np.float32), GIVEN)


FLIPS = (lambda i: i[..., ::-1], lambda i: i[..., ::-1, :], lambda i: i.swapaxes(-1, -2))


@pytest.mark.parametrize("turn", FLIPS)
def test_an_ensemble_treats_all_turns_of_a_slice_alike(turn):
    images = np.random.default_rng(0).random((2, 1, 37, 50), np.float32)
    turned = np.ascontiguousarray(turn(images))
    differ = []
    for all_eight in (True, False):
        engine = Engine.on(Rung("cpu", 2), tiny("rrg"), normaliser=None, ensemble=all_eight)
        first, last = engine.denoise(images, GIVEN), engine.denoise(turned, GIVEN)
        differ.append(np.abs(turn(first) - last).max())
    assert differ[0] < 1e-6 < 1e-4 < differ[1]


def test_an_ensemble_is_the_mean_over_eight_and_keeps_equal_values():
    seen = []

    def corner(images):
        seen.append(images)
        return images[..., :1, :1].expand(images.shape)

    image = torch.arange(6.0).view(1, 1, 2, 3)
    assert torch.equal(ensemble(corner)(image), torch.full_like(image, 2.5))  # of 0, 2, 3 and 5
    assert len({(i.shape, *i.flatten().tolist()) for i in seen}) == len(seen) == 8
    values = torch.randn(1, 1, 40, 30, generator=torch.Generator().manual_seed(0)) * 1e3
    assert torch.equal(ensemble(lambda images: images)(values), values)


def test_an_ensemble_in_tiles_equals_that_of_the_whole_slice():
    images = np.random.default_rng(0).random((1, 1, 90, 70), np.float32)
    given = replace(GIVEN, sigma=0.1)
    rungs = Rung("cpu", 1), Rung("cpu", 1, tile=64)
    engines = [Engine.on(r, tiny("adf"), normaliser=None, ensemble=True) for r in rungs]
    whole, tiled = (engine.denoise(images, given) for engine in engines)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)
