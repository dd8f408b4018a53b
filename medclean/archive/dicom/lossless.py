"""Which codestreams of lossless JPEG the fastest decoder can be relied on for (ITU-T T.81 H)."""

_SOF3, _SOS, _DHT, _DRI = 0xC3, 0xDA, 0xC4, 0xDD
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE


def is_plain_lossless(codestream: bytes) -> bool:
    """Whether it is one scan of one component, without restarts or point transform.

    These are all that scanners write. Of others the fast decoder takes some for what they are not.

    Args:
        codestream: From its SOI marker on.
    """
    at, frames = 2, 0
    while codestream[at : at + 1] == b"\xff":
        marker, length = codestream[at + 1], int.from_bytes(codestream[at + 2 : at + 4], "big")
        segment = codestream[at + 4 : at + 2 + length]
        if marker == _SOS:
            transform = segment[-1:]  # Ah and Al
            return frames == 1 and segment[:1] == b"\1" and transform == b"\0"
        if marker == _SOF3:
            frames += 1
            if segment[5:6] != b"\1":
                return False
        elif marker not in (_DHT, _COMMENT, *_APPLICATION):
            return False
        at += 2 + length
    return False
