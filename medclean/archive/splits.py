"""Who may see whose images: patients dealt out once, and never moved."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

SPLITS = ("train", "validation", "test")
POOLS = ("clean", "noisy")  # of a training whose noisy and clean images are of different patients

H = TypeVar("H", str, int)


def dealt(
    new: Iterable[tuple[str, str]],
    known: Iterable[tuple[str, H]],
    shares: Mapping[H, float],
) -> dict[str, H]:
    """Give each new patient a home: the one with the smallest count / share for its kind.

    With ties to the first, no home is empty once there are as many patients of a kind.

    Args:
        new: Patients with their kind, such as the modality of their images, in order.
        known: Kind and home of each patient who has one.
        shares: Of the patients, by home, in order; a home of share 0 gets none.

    Returns:
        Home by new patient.
    """
    counts = Counter(known)
    wanted = [home for home, share in shares.items() if share > 0]
    homes: dict[str, H] = {}
    for patient, kind in new:
        homes[patient] = min(wanted, key=lambda home: counts[kind, home] / shares[home])
        counts[kind, homes[patient]] += 1
    return homes


def shares_of(validation: float, test: float) -> dict[str, float]:
    """Of the patients, by split."""
    return {"train": 1 - validation - test, "validation": validation, "test": test}


def parts_of_fold(held: int, folds: int) -> dict[int, str]:
    """The split of each fold's patients where one is held out; the next chooses the weights."""
    return {
        **dict.fromkeys(range(folds), "train"),
        (held + 1) % folds: "validation",
        held: "test",
    }
