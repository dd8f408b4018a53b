"""What ``bm3d`` and ``bm4d`` need around their packages: room for small images, signs of life."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.models._told import Remove

LEAST = 32  # pixels along each side; below 9 the package ends the process
SIGN = 1.0  # seconds between two signs of life


def with_room(remove: Remove) -> Remove:
    """The same for any ``(H, W)`` or ``(S, H, W)``: small ones are reflected to 32 pixels."""

    def removed(images: NDArray[Any], sigma: float) -> NDArray[Any]:
        height, width = images.shape[-2:]
        room = [(0, 0)] * (images.ndim - 2) + [(0, max(0, LEAST - s)) for s in (height, width)]
        return remove(np.pad(images, room, "symmetric"), sigma)[..., :height, :width]

    return removed


def with_signs_of_life(work: Callable[[], NDArray[Any]], sign: Callable[[], None]) -> NDArray[Any]:
    """Do what may take an hour without a word, in a thread, and give a sign now and then.

    Args:
        work: It lets other threads run meanwhile.
        sign: Called at the beginning and each second from then on. What it raises ends the wait;
            the work itself cannot be ended, and is forgotten.
    """
    done: Future[NDArray[Any]] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # to be raised where it was asked for
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    sign()
    while wait([done], SIGN).not_done:
        sign()
    return done.result()
