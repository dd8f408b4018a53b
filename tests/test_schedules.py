"""How learning rates move."""

import numpy as np
import pytest

from medclean.catalog import SCHEDULES
from medclean.errors import UsageError

RUN = np.linspace(0, 1, 1001)


def rates(spec, scores=()):
    schedule = SCHEDULES.make(spec)
    return np.array([schedule(progress, scores) for progress in RUN])


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_schedule_begins_at_its_height_and_stays_below(name):
    found = rates(name)
    assert found[0] == 1
    assert found.min() >= 0
    assert found.max() == 1
    entry = SCHEDULES.entry(name)
    assert entry.summary
    assert all(option.help for option in entry.options.values())


def test_cosine_falls_to_its_floor():
    assert rates("cosine")[500] == pytest.approx(0.5)
    assert rates("cosine")[-1] == pytest.approx(0)
    assert rates("cosine:floor=0.1")[-1] == pytest.approx(0.1)


def test_linear_keeps_its_height_for_a_while():
    found = rates("linear:begin=0.5")
    assert (found[:501] == 1).all()
    assert found[750] == pytest.approx(0.5)
    assert found[-1] == 0


def test_steps_fall_at_their_moments():
    found = rates("step:at=[0.5,0.8],factor=0.1")
    assert found[499] == 1
    assert found[500] == pytest.approx(0.1)
    assert found[800] == pytest.approx(0.01)


def test_restarts_begin_again():
    found = rates("restarts:cycles=3,longer=2,height=0.5")
    jumps = np.flatnonzero(np.diff(found) > 0) + 1  # cycles are 1, 2 and 4 sevenths of the run
    assert list(jumps) == [143, 429]
    np.testing.assert_allclose(found[jumps], [0.5, 0.25], atol=1e-3)
    assert found[-1] == pytest.approx(0)


def test_plateau_falls_when_scores_stand_still():
    plateau = SCHEDULES.make("plateau:patience=2,factor=0.5,least=0.1")
    scores = [30, 31, 31.05, 31.0, 31.5, 31.5, 31.5, 31.5, 31.5]
    found = [plateau(0.5, scores[:count]) for count in range(len(scores) + 1)]
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize(
    "spec",
    [
        *("cosine:floor=2", "linear:begin=1", "step:at=[0.5,1.5]", "step:factor=1", "step:at=[]"),
        *("restarts:cycles=0", "restarts:longer=0", "plateau:patience=0", "plateau:factor=2"),
    ],
)
def test_senseless_options_are_refused(spec):
    with pytest.raises(UsageError, match="expected"):
        SCHEDULES.make(spec)
