"""Names for reports that nobody can trace back: a keyed hash in the place of what identifies."""

import hmac
from pathlib import Path
from secrets import token_hex

from medclean.errors import UsageError
from medclean.files import create

_LEAST = 16  # bytes of a key


def label(key: bytes, text: str) -> str:
    """The first 12 hex digits of HMAC-SHA256 (RFC 2104) of a text under a key."""
    return hmac.new(key, text.encode(errors="surrogateescape"), "sha256").hexdigest()[:12]


def read_key(path: Path) -> bytes:
    """The key in a file that the user names; line ends after it do not count.

    Raises:
        UsageError: No such file, or a key that could be guessed.
    """
    try:
        key = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise UsageError(f"--key {path}: {error.strerror}; expected a file to read") from None
    if len(key) < _LEAST:
        raise UsageError(
            f"--key {path} holds {len(key)} bytes, expected at least {_LEAST}; "
            "make one with: openssl rand -hex 32"
        )
    return key


def key_outside(out: Path, path: Path) -> bytes:
    """The same, of a file that nobody gets who is given the output folder.

    Raises:
        UsageError: It lies in there, or is no key.
    """
    if path.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"--key {path} lies in the output folder {out}; keep it elsewhere")
    return read_key(path)


def own_key(folder: Path) -> bytes:
    """The key of a run folder, made by the first who asks and readable by its owner only.

    Raises:
        OSError: It cannot be made, or is another user's.
    """
    path = folder / "secret"
    if not path.exists():
        create(path, f"{token_hex(32)}\n".encode(), mode=0o600)
    return path.read_bytes().rstrip()
