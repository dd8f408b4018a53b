"""What a derived DICOM file must be, as rules that hold it against its source.

A rule is a function of a ``Pair`` that yields what is broken; it joins by standing in the ``RULES``
of its file. What may change is in the tables of ``content``, codes are in those of ``provenance``.
"""

from collections.abc import Callable, Iterator

from rules import content, identity, multiframe, provenance, standard
from rules.pair import Broken, Pair

Rule = Callable[[Pair], Iterator[Broken]]
RULES: tuple[Rule, ...] = (
    *identity.RULES,
    *provenance.RULES,
    *content.RULES,
    *multiframe.RULES,
    standard.standard,
)


def check(pair: Pair) -> list[Broken]:
    """All that a derived object breaks."""
    return [broken for rule in RULES for broken in rule(pair)]
