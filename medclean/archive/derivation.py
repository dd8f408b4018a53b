"""What was done to a series, and what became of a file of it: the same for every format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["image", "residual"]
"""What an output is: the image that was made, or what was removed from the source."""

MAKER = "medclean"
SCHEME = "99MEDCLEAN"
INCOMPLETE = " INCOMPLETE"
_SIMULATING = ("add-noise", "undersample")  # commands
_LONGEST_SUFFIX = 40  # of the 64 characters of a Series Description


class Code(NamedTuple):
    """A coded term (DICOM PS3.3 8): value, scheme that defines it, meaning."""

    value: str
    scheme: str
    meaning: str


NETWORK = Code("DLNR", SCHEME, "Noise reduction by neural network")
SUBTRACTION = Code("113062", "DCM", "Pixel by pixel subtraction")
CODES = {  # context group 7203 is extensible and has no term for denoising; models name theirs
    code.value: code
    for code in (
        NETWORK,
        SUBTRACTION,
        Code("113087", "DCM", "Smoothing"),
        Code("113088", "DCM", "Gaussian blur"),
        Code("IDENTITY", SCHEME, "Pixel values unchanged"),
        Code("SIMNOISE", SCHEME, "Simulated noise added"),
        Code("SIMKSPACE", SCHEME, "Simulated k-space undersampling"),
    )
}


@dataclass(frozen=True)
class Derivation:
    """One step of processing, equal for all images of a run.

    All texts that reach a derived object are ASCII without backslash or tilde, so that they mean
    the same in every character set.

    Attributes:
        command: ``"denoise"`` and its like.
        model: Name in the catalogue, or of the noise or mask.
        code: What the step is.
        settings: The effective settings that decide the pixels, fit for JSON.
        version: Of the program; two versions never make the same UIDs.
        title: Sentence for Derivation Description.
        suffix: Behind Series Description: ``" [medclean dgan]"``.
        weights: SHA-256 of a network's weights.
        machine: Device type and dtype of a network, which decide its last bits.
        stamp: Time of the run in ISO 8601, with its offset, where it is to be written.
        role: ``"residual"`` for what was removed.
    """

    command: str
    model: str
    code: Code
    settings: Mapping[str, Any]
    version: str
    title: str
    suffix: str
    weights: str | None = None
    machine: str | None = None
    stamp: str | None = None
    role: Role = "image"

    def __post_init__(self) -> None:
        texts = (self.command, self.model, self.version, self.title, self.suffix, *self.code)
        for text in texts:
            if not text.isascii() or not text.isprintable() or set(text) & set("\\~"):
                raise ValueError(f"{text!r}: expected printable ASCII without backslash or tilde")
        if len(self.suffix) > _LONGEST_SUFFIX:
            raise ValueError(f"{self.suffix!r}: expected at most {_LONGEST_SUFFIX} characters")

    @staticmethod
    def suffix_of(names: Sequence[str]) -> str:
        """What fits behind Series Description: the names, or how many there are."""
        suffix = f" [medclean {'+'.join(names)}]"
        return suffix if len(suffix) <= _LONGEST_SUFFIX else f" [medclean {len(names)} steps]"

    @property
    def prefix(self) -> str:
        """What stands before Series Description, so that nobody reads the image as measured."""
        if self.role == "residual":
            return "RESIDUAL "
        return "SIMULATED " if self.comment else ""

    @property
    def comment(self) -> str:
        """What stands before Image Comments; ``""`` for nothing."""
        return "Simulated degradation, not for diagnosis" if self.command in _SIMULATING else ""

    @property
    def description(self) -> str:
        """What is appended to Derivation Description."""
        return f"{self.title}; source minus result" if self.role == "residual" else self.title

    @property
    def codes(self) -> tuple[Code, ...]:
        """The terms of this step; a residual is one step more."""
        return (self.code, SUBTRACTION) if self.role == "residual" else (self.code,)


@dataclass(frozen=True)
class Written:
    """What became of one file.

    Attributes:
        sha256: Of the file.
        bytes: Its size.
        uid: SOP Instance UID; ``""`` in NIfTI. Met twice in a run, it is an error.
        syntax: Transfer Syntax UID; ``""`` in NIfTI.
        clamped: Pixels whose result lay outside the storable range.
        padding_moved: Pixels whose result fell into the range that means "no pixel".
        notes: What the manifest should say, without any value from the file.
        figures: What it adds to the figures of its series, fit for JSON; None where nothing.
    """

    sha256: str
    bytes: int
    uid: str = ""
    syntax: str = ""
    clamped: int = 0
    padding_moved: int = 0
    notes: tuple[str, ...] = field(default=())
    figures: Mapping[str, Any] | None = None


class Made(NamedTuple):
    """A file that is not on the disk yet.

    Attributes:
        written: What becomes of it.
        parts: Its content; none is copied.
    """

    written: Written
    parts: Sequence[bytes | memoryview]

    @classmethod
    def of(cls, parts: Sequence[bytes | memoryview], **facts: Any) -> "Made":
        """A file of some parts; the facts are those of ``Written``."""
        digest = sha256()
        for part in parts:
            digest.update(part)
        return cls(Written(digest.hexdigest(), sum(map(len, parts)), **facts), parts)
