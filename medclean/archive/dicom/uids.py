"""UIDs of derived objects: hashed from what they were made from, so that a rerun gives the same."""

import json
from collections.abc import Iterable
from hashlib import sha256

from medclean.archive.derivation import Derivation
from medclean.archive.series import Instance, Series

# hashed_uid(["medclean implementation"]), for good: one constant until a root is registered, a
# departure from PS3.5 B.2.
IMPLEMENTATION_CLASS = "2.25.70958870755050202067116561327687946908"


def hashed_uid(fields: Iterable[str]) -> str:
    """``2.25.`` and the decimal of a version-8 UUID (PS3.5 B.2, RFC 9562 5.8).

    The UUID is the start of the SHA-256 of the fields, each after its length in 8 bytes: no two
    lists of fields hash the same bytes.

    Args:
        fields: Texts, empty ones among them; undecodable bytes stand as surrogates.
    """
    raw = [field.encode("utf-8", "surrogateescape") for field in fields]
    return uid_of(sha256(b"".join(len(field).to_bytes(8, "big") + field for field in raw)).digest())


def uid_of(digest: bytes) -> str:
    """The UID of a digest: a UUID of its first 16 bytes, with version and variant set."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76  # version
    number = number & ~(0b11 << 62) | 0b10 << 62  # variant
    return f"2.25.{number}"


def series_uid(series: Series, derivation: Derivation, left_out: Iterable[str] = ()) -> str:
    """Series Instance UID of the derived series, computed anew each time.

    Args:
        series: The source.
        derivation: What is done to it; for networks the machine counts, which decides last bits.
        left_out: What names the source instances that are missing from the derived series.
    """
    step = _step("medclean-series-1", derivation)
    source = (series.study_uid, series.series_uid)
    return hashed_uid((*step, *source, derivation.machine or "", *sorted(left_out)))


def instance_uid(
    series: Series,
    file: Instance,
    derivation: Derivation,
    left_out: Iterable[str] = (),
    *,
    position: str,
    number: str,
    source: str,
    result: str,
) -> str:
    """SOP Instance UID of a derived object: no two different images ever share one.

    Args:
        series: The source series.
        file: The source instance.
        derivation: What was done to it.
        left_out: As in ``series_uid``.
        position: Image Position (Patient), as it stands in the source.
        number: Instance Number, likewise.
        source: Hash of the source's decoded pixels.
        result: Hash of the stored pixels of the derived object.
    """
    step = _step("medclean-sop-1", derivation)
    origin = (series.study_uid, series.series_uid, file.uid, position, number, str(file.occurrence))
    passed = (f"frame {number} unchanged" for number in file.passed)
    return hashed_uid((*step, *origin, source, result, *sorted(left_out), *passed))


def _step(kind: str, derivation: Derivation) -> tuple[str, ...]:
    """What both UIDs share. Settings are canonical JSON: sorted, dense, ASCII, finite."""
    settings = {**derivation.settings, "stamp": derivation.stamp}
    return (
        kind,
        derivation.command,
        derivation.role,
        derivation.version,
        derivation.weights or "",
        json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False),
    )
