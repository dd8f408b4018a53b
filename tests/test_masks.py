"""Every sampling mask, whatever there is: its ratio, its middle, and what it depends on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medclean.catalog import MASKS
from medclean.errors import UsageError

LINES = ["cartesian-random", "equispaced", "gaussian-1d"]
DENSE = [name for name in MASKS if MASKS.entry(name).options["center"].default is None]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", list(MASKS))
@given(ratio=st.floats(0.01, 0.9), sides=st.tuples(st.integers(1, 70), st.integers(1, 70)))
@settings(max_examples=25, deadline=None)
def test_the_measured_ratio_is_the_one_asked_for(name, ratio, sides):
    mask = MASKS.make(f"{name}:ratio={ratio}")(sides, rng())
    chosen = mask[:, 0] if name in LINES else mask
    assert (mask.dtype, mask.shape) == (bool, sides)
    assert chosen.sum() == max(1, round(ratio * chosen.size))


@pytest.mark.parametrize("name", list(MASKS))
@pytest.mark.parametrize("ratio", [0.01, 0.3, 0.9])
def test_the_ratio_of_a_slice_is_within_a_hundredth_or_a_line(name, ratio):
    for shape in ((256, 181), (6, 31, 40)):
        mask = MASKS.make(f"{name}:ratio={ratio}")(shape, rng())
        assert mask.shape == shape
        line = 1 / shape[-2]
        assert abs(mask.mean() - ratio) <= (line if name in LINES else max(0.01, 1 / (6 * 31)))


@pytest.mark.parametrize("name", list(MASKS))
def test_a_mask_depends_on_shape_and_seed_alone(name):
    first, again, other = (MASKS.make(name)((64, 48), rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", list(MASKS))
@pytest.mark.parametrize("ratio", [0.01, 0.2, 0.5])
def test_the_zero_frequency_is_sampled(name, ratio):
    for shape in ((64, 64), (65, 31)):
        mask = MASKS.make(f"{name}:ratio={ratio}")(shape, rng())
        assert mask[shape[0] // 2, shape[1] // 2]


@pytest.mark.parametrize("name", list(MASKS))
def test_the_middle_is_sampled_whole_as_far_as_asked(name):
    mask = MASKS.make(f"{name}:ratio=0.4,center=0.16")((100, 100), rng())
    side = (8, 50) if name in LINES else (20, 20)
    assert mask[50 - side[0] : 50 + side[0], 50 - side[1] : 50 + side[1]].all()


@pytest.mark.parametrize("name", list(MASKS))
def test_acceleration_is_the_inverse_of_the_ratio(name):
    by = [MASKS.make(f"{name}:{o}")((64, 64), rng()) for o in ("acceleration=5", "ratio=0.2")]
    np.testing.assert_array_equal(*by)


@pytest.mark.parametrize("name", list(MASKS))
@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("ratio=0.001", "expected 0.01 to 0.9"),
        ("ratio=0.95", "expected 0.01 to 0.9"),
        ("acceleration=1", "acceleration 1.1 to 100"),
        ("acceleration=0", "expected above 1"),
        ("ratio=0.2,acceleration=5", "state one"),
        ("ratio=0.2,center=0.3", "center=0.3, expected 0 to the ratio"),
    ],
)
def test_an_impossible_amount_is_refused_at_once(name, options, hint):
    with pytest.raises(UsageError, match=hint):
        MASKS.make(f"{name}:{options}")


@pytest.mark.parametrize("name", LINES)
def test_lines_are_whole_readouts_in_volumes_too(name):
    mask = MASKS.make(name)((5, 40, 30), rng())
    np.testing.assert_array_equal(mask, np.broadcast_to(mask[:1, :, :1], mask.shape))


@pytest.mark.parametrize("name", ["gaussian-2d", "poisson-disc", "variable-density"])
def test_points_of_a_volume_are_readouts(name):
    mask = MASKS.make(name)((20, 24, 7), rng())
    np.testing.assert_array_equal(mask, np.broadcast_to(mask[..., :1], mask.shape))


@pytest.mark.parametrize("name", ["radial", "spiral"])
def test_trajectories_of_a_volume_are_stacks(name):
    mask = MASKS.make(name)((4, 40, 30), rng())
    np.testing.assert_array_equal(mask, np.broadcast_to(mask[:1], mask.shape))


def test_equispaced_lines_are_equally_far_apart():
    rows = np.flatnonzero(MASKS.make("equispaced:ratio=0.25,center=0")((64, 4), rng())[:, 0])
    assert set(np.diff(rows)) == {4}


def test_points_of_a_poisson_disc_keep_their_distance():
    """So many random points would come as close as neighbours."""
    mask = MASKS.make("poisson-disc:ratio=0.05,center=0")((128, 128), rng())
    points = np.argwhere(mask)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[
        ~np.eye(len(points), dtype=bool)
    ]
    assert apart.min() > 2


@pytest.mark.parametrize(
    "name", ["gaussian-1d", "gaussian-2d", "variable-density", "radial", "spiral"]
)
def test_density_falls_from_the_middle(name):
    mask = np.mean([MASKS.make(f"{name}:ratio=0.3")((96, 96), rng(k)) for k in range(8)], axis=0)
    far = np.abs(np.arange(96) - 48)
    rings = [mask[far < 16][:, far < 16], mask[(far >= 16) & (far < 32)], mask[far >= 32]]
    shares = [ring.mean() for ring in rings]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 2 * shares[-1]


def test_spokes_go_through_the_middle():
    mask = MASKS.make("radial:ratio=0.05")((101, 101), rng())
    ends = np.argwhere(mask) - 50
    mirrored = mask[tuple((50 - ends).T)]
    assert mirrored.mean() > 0.9


def test_an_unknown_mask_is_explained():
    with pytest.raises(UsageError, match="did you mean 'radial'"):
        MASKS.make("radiall")
