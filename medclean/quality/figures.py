"""What is known of a series once it is denoised; see ``safety`` for where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """A frame, and a pixel where it is not the frame as a whole that stands out."""

    path: str
    frame: int
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Figures:
    """What a series shows; None where it cannot be measured.

    Attributes:
        bias: Mean of after - before where the signal is sure; HU in CT, else % of scale. A frame
            shows that of all its pixels, and of each region of a sixteenth.
        structure: How much the change resembles the image: the larger of |r| with the result,
            and of r of its size with the result's gradient (Pearson). Less change at edges than
            elsewhere is what a careful filter does, so that a negative r of these counts as 0;
            a change that cannot be seen, or is far below the noise, resembles little.
        edges: Median ratio of gradients, after to before, over the strongest.
        noise: Ratio of the noise, after to before: of a series that between pixels four apart,
            where smooth noise shows too, and the texture of the image sets the least there is; of
            a frame that between neighbours.
        spot: Greatest change of a lesion's size, in standard deviations of what noise explains;
            of frames alone.
        pooled: By figure, what all voxels of the series say together.
        at: By figure, the frame that shows it most.
    """

    bias: float | None = 0.0
    structure: float | None = 0.0
    edges: float | None = 1.0
    noise: float | None = 1.0
    spot: float | None = 0.0
    pooled: Mapping[str, float | None] = field(default_factory=dict)
    at: Mapping[str, Place] = field(default_factory=dict)
