"""Names that only the holder of a key can trace back: HMAC-SHA256 (RFC 2104), never a plain hash.

A plain hash of a seven-digit number is guessed in seconds (PS3.15 E.1.1).
"""

import hmac
from dataclasses import dataclass, field

_DAYS = 3650  # by which dates move at most


@dataclass(frozen=True)
class Pseudonyms:
    """What stands for what identifies; goes to workers, and with it the key.

    Attributes:
        key: The secret.
    """

    key: bytes = field(repr=False)

    def digest(self, kind: str, text: str) -> bytes:
        """32 bytes that no other text of any kind has."""
        raw = f"{kind}\0{text}".encode(errors="surrogateescape")
        return hmac.new(self.key, raw, "sha256").digest()

    def name(self, kind: str, text: str, digits: int = 16) -> str:
        """Hex digits, fit for a file name and for a Patient ID."""
        return self.digest(kind, text).hex()[:digits]

    def days(self, patient: str) -> int:
        """How far the dates of a patient move: 1 to 3650 days back."""
        return -1 - int.from_bytes(self.digest("days", patient)[:8], "big") % _DAYS
