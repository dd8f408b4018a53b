"""Whether a critic still teaches: one that always wins, or never, does not."""

from collections.abc import Mapping, Sequence

from medclean.learning.turn import Turn

WON = 0.05  # share of the loss of guessing below which a critic tells all images apart
GUESSES = 0.02  # distance from the loss of guessing within which it tells none apart
LONG = 3  # validations in a row that are no accident
_WINS, _GUESSING = "has won", "only guesses"
ADVICE = {
    _WINS: "the generator learns little from it; give it a lower critic_lr or more smoothing",
    _GUESSING: "it has collapsed, or nothing is left to tell apart; look at validation.png",
}


class Watch:
    """Says once when a critic has won, or has come to guess."""

    def __init__(self) -> None:
        self._states: dict[str, list[str]] = {}

    def say(self, turns: Sequence[Turn], row: Mapping[str, float]) -> list[str]:
        """What is to be said after a validation.

        Args:
            turns: Of the step; those of critics state the loss of guessing.
            row: Mean losses of the last steps, ``{"turn/loss": value}``.
        """
        lines = []
        for turn in turns:
            parts = [value for name, value in row.items() if name.startswith(f"{turn.name}/")]
            if turn.guessing is None or not turn.repeats or not parts:
                continue
            states = self._states.setdefault(turn.name, [])
            states.append(_state(sum(parts) / turn.guessing))
            state = states[-1]
            if state and states[-LONG:] == [state] * LONG and states[-LONG - 1 : -LONG] != [state]:
                lines.append(f"the {turn.name} {state} in {LONG} validations: {ADVICE[state]}")
        return lines


def _state(share: float) -> str:
    """What the loss of a critic says, as a share of the loss of guessing; mostly nothing."""
    if share < WON:
        return _WINS
    return _GUESSING if abs(share - 1) < GUESSES else ""
