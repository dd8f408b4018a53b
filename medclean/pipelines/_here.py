"""Images that are computed in this process, while workers read and write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future

from medclean.archive import formats
from medclean.archive.numbers import Pixels
from medclean.archive.series import Frame, Series
from medclean.errors import Stopped
from medclean.inference.batches import Cut, read_ahead, visible
from medclean.inference.ladder import OutOfMemory
from medclean.pipelines._output import Output
from medclean.pipelines._work import Work
from medclean.volume import Image

PATIENCE = 10.0  # seconds that a stopped run may take to stage what is computed
AHEAD = 4  # batches that are read while one is computed


def feed(
    work: Work,
    series: Series,
    output: Output,
    cuts: Sequence[Cut],
    compute: Callable[[Cut, Mapping[int, Pixels]], Iterable[Image]],
    *,
    ahead: int = AHEAD,
) -> None:
    """Have batches computed, and give the output their images.

    Args:
        work: What it takes.
        series: Where the batches are of.
        output: Takes the images.
        cuts: The batches, in order.
        compute: Makes the images of a batch out of the files that it needs.
        ahead: Batches that are read while one is computed.

    Raises:
        OutOfMemory: A batch does not fit; nothing of the series is still being written.
        Stopped: A signal came; what was computed is staged.
    """

    def read(instance: int) -> "Future[Pixels]":
        return work.workers.submit(formats.read, work.root, series.alone(instance), 0)

    try:
        for this, pixels in read_ahead(cuts, read, ahead=ahead):
            work.stop.check()
            for frame, image in zip(this.own, compute(this, pixels), strict=True):
                output.put(frame, image, pixels[frame.instance])
            work.bar.advance(len(this.own))
    except Stopped:
        output.abandon(PATIENCE)
        raise
    except (OutOfMemory, MemoryError):  # the next attempt writes the same paths
        output.cancel()
        raise


def seen(pixels: Mapping[int, Pixels], frame: Frame) -> Image:
    """An image as a model sees it, without its padding."""
    file = pixels[frame.instance]
    return visible(file.frame(frame.number).real[0], file.padding[frame.number])
