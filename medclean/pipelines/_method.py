"""What a command does to series: all in which denoise, add-noise and undersample differ."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from medclean.archive.derivation import Derivation, Written
from medclean.archive.layout import Layout
from medclean.archive.remaking import Figures
from medclean.archive.series import Series
from medclean.errors import Exit
from medclean.inference.statistics import Statistics

if TYPE_CHECKING:
    from medclean.pipelines._output import Output
    from medclean.pipelines._work import Work


Command: TypeAlias = Literal["denoise", "add-noise", "undersample"]


class Refusal(NamedTuple):
    """Why a series is not for a method, and what it means for the exit status if all are not."""

    why: str
    otherwise: Exit = Exit.NOTHING_TO_DO


UNKNOWN = "nothing can be done to it"  # to what does not say what its images are


class Verdict(NamedTuple):
    """What is known of a series once its files are staged.

    Attributes:
        facts: For the manifest.
        crossed: The limits that it crosses, in words; ``""`` where it crosses none.
        held: Whether it is not written for that.
    """

    facts: Mapping[str, Any]
    crossed: str = ""
    held: bool = False


class Way(Protocol):
    """How the images of a series are computed: by workers, or in this process."""

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on, fit for JSON; among it ``device`` and ``dtype``."""

    def compute(self, series: Series, output: "Output", statistics: Statistics) -> None:
        """Put into the output what it does not have yet.

        Raises:
            OutOfMemory: It does not fit; nothing of it is still being written.
            Stopped: A signal came; what was computed is staged.
        """


class Method(Protocol):
    """What a command does to series.

    Attributes:
        command: What the user types.
        arrays: Whether it takes arrays of coils too.
    """

    command: ClassVar[Command]
    arrays: ClassVar[bool]

    @property
    def keeps(self) -> bool:
        """Whether every stored value stays as it is."""

    @property
    def name(self) -> str:
        """Of the model, the noise or the mask: for screen, manifest and derived objects."""

    @property
    def bare(self) -> str:
        """Why files that do not say what their images are are left out; ``""`` if they are not."""

    @property
    def device(self) -> str:
        """Where it computes, as torch spells it."""

    @property
    def out(self) -> Path:
        """The output folder."""

    @property
    def workers(self) -> int:
        """Processes that read and write, and compute where that is their part."""

    @property
    def layout(self) -> Layout:
        """What is made of each file, and where it lies."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on as it is understood here, in place of the job's words."""

    def refusal(self, series: Series) -> Refusal | None:
        """Why a series is not for this method; None where it is."""

    def fault(self, series: Series) -> str:
        """Why a series fails that is for this method; ``""`` where its headers show nothing."""

    def weights(self, todo: Sequence[Series]) -> Mapping[str, str]:
        """SHA-256 of the weights that these series need, by their modality."""

    def room(self, series: Series) -> int:
        """Bytes of what it leaves beside the images of a series."""

    def measure(self, series: Series, work: "Work") -> Statistics:
        """What has to be known of a series before its first image is computed."""

    def ways(self, series: Series, work: "Work") -> Iterator[Way]:
        """How to compute a series: the next one is asked for where memory was too small."""

    def derivation(self, series: Series, machine: Mapping[str, Any]) -> Derivation:
        """What is done to a series, as derived objects state it."""

    def context(self, series: Series) -> int | None:
        """How many neighbouring slices each is computed from, itself among them; None for all."""

    @property
    def figures(self) -> Figures | None:
        """What a file adds to the figures of its series; goes to workers."""

    def judge(
        self,
        series: Series,
        written: Mapping[str, Written],
        statistics: Statistics,
        work: "Work",
    ) -> Verdict:
        """What the figures of a series say.

        Args:
            series: It.
            written: Its files, by path.
            statistics: As measured before.
            work: What it takes to measure more.
        """
