"""Who may see whose images: patients dealt out once, and never moved."""

import hmac
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

SPLITS = ("train", "validation", "test")
POOLS = ("clean", "noisy")  # of a training whose noisy and clean images are of different patients

H = TypeVar("H", str, int)


def dealt(
    new: Iterable[tuple[str, Collection[str]]],
    known: Iterable[tuple[Collection[str], H]],
    shares: Mapping[H, float],
) -> dict[str, H]:
    """Give each new patient a home: the one with the smallest count / share for its kinds.

    With ties to the first, no home is empty once there are as many patients of one kind.

    Args:
        new: Patients with their kinds, such as the modalities of their images, in order.
        known: Kinds and home of each patient who has one.
        shares: Of the patients, by home, in order; a home of share 0 gets none.

    Returns:
        Home by new patient.
    """
    counts = Counter((kind, home) for kinds, home in known for kind in kinds)
    wanted = [home for home, share in shares.items() if share > 0]
    homes: dict[str, H] = {}
    for patient, kinds in new:
        many = {home: sum(counts[kind, home] for kind in kinds) for home in wanted}
        homes[patient] = min(wanted, key=lambda home: many[home] / shares[home])
        counts.update((kind, homes[patient]) for kind in kinds)
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


def keyed(patient: str, seed: int) -> str:
    """What patients whom nobody has dealt out are put in order by."""
    return hmac.new(str(seed).encode(), patient.encode(), "sha256").hexdigest()
