"""What normalisers that clip do about the values beyond their ends."""

from typing import Any


def kept(restored: Any, source: Any, low: Any, high: Any) -> Any:
    """``restored``, but the source's own values where those lie outside ``low`` to ``high``.

    A network never saw them. Without a source nothing is known of them.
    """
    if source is None:
        return restored
    seen = source == source.clip(low, high)
    return restored * seen + source * ~seen
