"""Seconds of the Radon operator, of FBP and of low-dose CT, beside scikit-image's radon and iradon.

One 512x512 slice of water with 804 views, all in one run, in processor time of this process, so
that what else the machine does counts less; on a GPU, in seconds that pass::

    python tests/benchmarks/radon.py --threads 1
    python tests/benchmarks/radon.py --device cuda
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.transform import iradon, radon

from medclean.catalog import NOISES
from medclean.physics.noise._scan import radon_of
from medclean.physics.operators.fbp import fbp
from medclean.volume import Given


def main() -> None:
    """Print a table: seconds, and their ratio to scikit-image's two steps together."""
    options = _options()
    torch.set_num_threads(options.threads)
    side = options.side
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.where(np.hypot(y, x) < 0.45 * side, 0, -1000).astype(np.float32)
    water = 1 + image / 1000
    rays = radon_of(image.shape)
    angles = np.arange(rays.views) * 180 / rays.views
    given = Given("HU", 4000.0, (5.0, 0.7, 0.7), "CT", sigma=10.0)
    noises = {spec: NOISES.make(spec) for spec in ("low-dose", "low-dose:source=600")}

    tensor = torch.from_numpy(water)[None, None].to(options.device)
    sinogram = rays.forward(tensor)
    tasks: dict[str, Callable[[], object]] = {
        "scikit-image radon": lambda: radon(water, angles, circle=False),
        "scikit-image iradon": lambda: iradon(peer, angles, output_size=side, circle=False),
        "Radon.forward": lambda: rays.forward(tensor),
        "Radon.adjoint": lambda: rays.adjoint(sinogram),
        "fbp": lambda: fbp(sinogram, rays),
    }
    for spec, noise in noises.items():
        tasks[spec] = lambda noise=noise: noise(image, np.random.default_rng(0), given)
    peer = radon(water, angles, circle=False)
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    seconds = {name: timed(task, clock, options.repeats) for name, task in tasks.items()}
    both = seconds["scikit-image radon"] + seconds["scikit-image iradon"]
    print(f"{side}x{side}, {rays.views} views, {rays.channels} channels, {options.device}")
    for name, spent in seconds.items():
        print(f"{name:22} {spent:7.3f} s   {spent / both:6.3f} of radon and iradon")


def timed(task: Callable[[], object], clock: Callable[[], float], repeats: int) -> float:
    """Seconds of the quickest of some calls."""
    spent = []
    for _ in range(repeats):
        start = clock()
        task()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent.append(clock() - start)
    return min(spent)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--device", default="cpu", help="of the operator; noises are the CPU's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
