"""What is said about critics that no longer teach."""

import pytest

from medclean.learning.turn import Turn
from medclean.training.watch import LONG, Watch

CRITIC = Turn("critic", (), dict, guessing=2.0)
GENERATOR = Turn("generator", (), dict)


def said(*rows, turns=(CRITIC, GENERATOR)):
    watch = Watch()
    return [watch.say(turns, row) for row in rows]


def row(real, fake):
    return {"critic/real": real, "critic/fake": fake, "generator/content": 0.0}


@pytest.mark.parametrize(
    ("losses", "state"), [((0.01, 0.02), "has won"), ((1.0, 1.01), "only guesses")]
)
def test_a_lasting_state_is_said_once(losses, state):
    lines = said(*[row(*losses)] * (LONG + 2))
    assert [len(found) for found in lines] == [0] * (LONG - 1) + [1, 0, 0]
    assert lines[LONG - 1][0].startswith(f"the critic {state}")


def test_a_state_that_comes_back_is_said_again():
    bad, good = row(0.01, 0.02), row(0.6, 0.7)
    lines = said(*[bad] * LONG, good, *[bad] * LONG)
    assert sum(map(len, lines)) == 2


def test_nothing_is_said_of_critics_that_teach_or_rest():
    assert not any(said(*[row(0.6, 0.7)] * 9))
    resting = Turn("critic", (), dict, repeats=0, guessing=2.0)
    assert not any(said(*[row(0, 0)] * 9, turns=(resting,)))
    assert not any(said(*[{"generator/content": 0.0}] * 9))
