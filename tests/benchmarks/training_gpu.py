"""What a training of D-GAN takes of a GPU: slices a second, share of its peak, bounds, memory.

    python tests/benchmarks/training_gpu.py
    python tests/benchmarks/training_gpu.py --presets dgan-paper --batches 4,8,16,32 --recompute

Whole steps of the stepper, generator and critic, on made images of 256x256 that lie on the device:
bfloat16, channels_last. Operations are counted as torch executes them (2 a multiplication and
addition, forward and backward); the peak is that of dense bfloat16 products by the maker's data
sheet. What bounds a step is told by how its time divides among kernels: those that multiply, and
those that only move memory. A batch that does not fit says so. Several devices are not measured.
"""

import argparse
import time
import tomllib
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import medclean
from medclean.catalog import MODELS
from medclean.inference.ladder import is_out_of_memory
from medclean.learning.batch import Batch
from medclean.learning.recompute import recompute
from medclean.learning.stepper import Stepper
from medclean.models._base import Model
from medclean.volume import Given

PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12}  # dense bfloat16, SXM
PRODUCTS = ("conv", "gemm", "cutlass", "xmma", "cudnn", "mma", "implicit", "wgrad", "dgrad")
PRESETS = Path(medclean.__file__).parent / "presets"


def main() -> None:
    """Print a row for each preset and batch."""
    options = _options()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    peak = next((flops for known, flops in PEAKS.items() if known in name), None)
    print(f"{name}, torch {torch.__version__}, {options.side}x{options.side}, bf16")
    print("preset        batch  slices/s  TFLOP/s  of peak  in products  memory")
    for preset in options.presets:
        for batch in options.batches:
            try:
                row = measured(preset, batch, device, options)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                print(f"{preset:12} {batch:6}  does not fit")
                break
            seconds, flops, share, memory = row
            rate = flops / seconds
            of_peak = f"{rate / peak:7.1%}" if peak else "      -"
            print(
                f"{preset:12} {batch:6} {batch / seconds:9.2f} {rate / 1e12:8.1f}  {of_peak} "
                f"{share:12.0%} {memory / 2**30:6.1f} GiB",
                flush=True,
            )


def measured(
    preset: str, size: int, device: torch.device, options: argparse.Namespace
) -> tuple[float, float, float, float]:
    """Seconds and operations of a step, share of its time in products, bytes at most."""
    settings = tomllib.loads((PRESETS / f"{preset}.toml").read_text(encoding="utf-8"))
    model = Model.of(MODELS.make(settings["model"])).to(device, memory_format=torch.channels_last)
    if options.recompute:
        recompute(model.segments)
    noisy, clean = torch.rand(2, size, 1, options.side, options.side, device=device)
    sigma = torch.full((size, 1, 1, 1), 0.1, device=device)
    source = repeat(Batch(noisy, Given("1", 1.0, (1.0, 1.0, 1.0), "MR", sigma), clean))
    stepper = Stepper(model, steps=2, precision="bf16")
    stepper.done = 1  # the second half of a run, in which all players play
    cuda = device.type == "cuda"

    def step() -> None:
        stepper.step(source)
        stepper.done = 1
        if cuda:
            torch.cuda.synchronize(device)

    with FlopCounterMode(display=False) as counter:
        step()
    for _ in range(options.steps):
        step()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    for _ in range(options.steps):
        step()
    seconds = (time.perf_counter() - start) / options.steps
    memory = torch.cuda.max_memory_allocated(device) if cuda else 0
    return seconds, counter.get_total_flops(), _products(step, cuda), memory


def _products(step: Callable[[], None], cuda: bool) -> float:
    """Share of a step's time in kernels that multiply."""
    kind = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[kind]) as found:
        step()
    of = "self_device_time_total" if cuda else "self_cpu_time_total"
    times = [(event.key.lower(), getattr(event, of)) for event in found.key_averages()]
    whole = sum(spent for _, spent in times) or 1
    return sum(spent for key, spent in times if any(word in key for word in PRODUCTS)) / whole


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--presets", type=lambda text: text.split(","), default=["dgan-small", "dgan-paper"]
    )
    parser.add_argument(
        "--batches",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[4, 8, 16, 32],
    )
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5, help="that are timed, after as many")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
