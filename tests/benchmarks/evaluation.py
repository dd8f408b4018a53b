"""Seconds and memory that ``medclean evaluate`` takes for 300 slices of 512 x 512 pixels.

    python tests/benchmarks/evaluation.py [--slices 300] [--all]

Prints seconds and the peak memory of the largest process, for all full-reference metrics, or with
``--all`` for all there are. The series is made, int16, and lies in NIfTI without compression.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

FULL = "psnr,ssim,ms-ssim,rmse,nmse,mae,gmsd,bias"


def main(slices: int, *, everything: bool) -> None:
    """Make the series, evaluate it, say what that took."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.nii" for name in ("clean", "noisy")]
        plane = np.hypot(*np.mgrid[-1:1:512j, -1.2:1.2:512j]) < 0.9
        organs = ndimage.gaussian_filter(rng.standard_normal((512, 512)), 8) * 1500
        clean = np.where(plane, 40 + organs, -1000).astype(np.int16)
        stack = np.repeat(clean[..., None], slices, axis=2)
        noisy = stack + rng.integers(-60, 60, stack.shape, np.int16)
        for path, image in zip(paths, (stack, noisy), strict=True):
            nibabel.Nifti1Image(image, np.diag([0.7, 0.7, 1.0, 1.0])).to_filename(path)
            path.with_suffix(".json").write_text(json.dumps({"Modality": "CT"}))
        words = [] if everything else ["--metrics", FULL]
        start = time.perf_counter()
        command = [sys.executable, "-m", "medclean", "evaluate", *map(str, paths), *words]
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{slices} slices: {seconds:.1f} s, {usage.ru_maxrss / 1024:.0f} MiB at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--all", action="store_true", help="every metric, not only full-reference")
    options = parser.parse_args()
    main(options.slices, everything=options.all)
