"""Clean images of some patients and noisy ones of others, to learn from both."""

from collections.abc import Mapping, Sequence

from medclean.archive.dataset import Case
from medclean.archive.splits import POOLS, dealt, keyed
from medclean.errors import DataError


def pools(cases: Sequence[Case], stated: Mapping[str, str], seed: int) -> dict[str, list[Case]]:
    """Give each patient, with all cases, to the clean or the noisy pool of an unpaired training.

    Args:
        cases: Of the training split.
        stated: Pool by patient, where the data set has dealt some.
        seed: Key of the hash in whose order the others come.

    Raises:
        DataError: A pool is empty.
    """
    patients = {case.patient for case in cases}
    home = {patient: stated[patient] for patient in patients & stated.keys()}
    new = sorted(patients - home.keys(), key=lambda patient: keyed(patient, seed))
    even = dict.fromkeys(POOLS, 1.0)
    home |= dealt(((p, ("",)) for p in new), ((("",), pool) for pool in home.values()), even)
    found = {pool: [c for c in cases if home[c.patient] == pool] for pool in POOLS}
    if not all(found.values()):
        raise DataError(
            f"{len(patients)} patient in the training split: a model that learns unpaired needs "
            "clean images of one and noisy ones of another; bring more patients"
        )
    return found
