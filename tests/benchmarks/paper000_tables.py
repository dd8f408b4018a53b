"""Tables I and II of Naser and Al-Asadi: D-GAN, its generator only and MIRNet on cine MR.

    python tests/benchmarks/paper000_tables.py --data ../shared/data/cine --out OUT --steps 3000
    python tests/benchmarks/paper000_tables.py --data ACDC --out OUT --steps 25000 --width 64 \
        --groups 3 --blocks 2 --batch 32 --patch 256

All three get the same budget: as many steps of as many patches. Each is trained blind (sigma 0 to
0.3) and at sigma 0.1 alone, in the paper's protocol (noisy images cut off at 0 and 1, in training
and in test) and in the honest one (nothing is cut off): twelve runs of ``medclean train``, each
in ``OUT/runs``. The same command goes on after a stop, and does nothing again.

``--data`` is a folder of the Sunnybrook PNG files, which stand in for ACDC, or one that ``medclean
train`` takes. 70 % of the subjects are learnt from; scores are means over whole slices, spread
evenly over the 15 % that are held out to the end, peak 1 = scale. Filters are told the true sigma.
``OUT/tables.md`` and ``OUT/tables.json`` have the printed figures next to ours.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cine
import torch

from medclean import checkpoints
from medclean.catalog import MODELS
from medclean.errors import MissingError
from medclean.files import write_whole
from medclean.models._base import Model
from medclean.signals import Stop
from medclean.training.noise import Noise
from medclean.training.pairs import Pairing
from medclean.training.samples import Samples
from medclean.training.slices import cached
from medclean.training.validation import Validation

SIGMAS = (0.05, 0.1, 0.15, 0.2, 0.3)
NETWORKS = {"dgan": "D-GAN", "mirnet": "MIRNet", "rrg": "Generator only"}
PROTOCOLS = {"clipped": ",clip=true", "honest": ""}
TRAINED = {"blind": "0..0.3", "single": "0.1"}
FILTERS = {"bm3d": "BM3D", "nlm": "NLM"}

PRINTED_1 = {  # PSNR in dB and SSIM, by sigma
    "D-GAN": {0.1: (37.85, 0.971), 0.2: (32.58, 0.911), 0.3: (29.48, 0.837)},
    "MIRNet": {0.1: (35.67, 0.9367), 0.2: (31.91, 0.884), 0.3: (28.62, 0.814)},
    "Generator only": {0.1: (36.02, 0.934), 0.2: (32.85, 0.891), 0.3: (30.01, 0.833)},
}
PRINTED_2 = {
    "NOISY": {0.05: (26.02, 0.769), 0.1: (20.00, 0.518), 0.15: (16.48, 0.369)},
    "BM3D": {0.05: (32.32, 0.953), 0.1: (28.54, 0.905), 0.15: (26.45, 0.860)},
    "VBM4D": {0.05: (32.54, 0.957), 0.1: (28.96, 0.911), 0.15: (26.88, 0.863)},
    "DIP": {0.05: (26.95, 0.875), 0.1: (25.55, 0.815), 0.15: (23.48, 0.718)},
    "S2S": {0.05: (30.41, 0.942), 0.1: (28.45, 0.912), 0.15: (26.90, 0.880)},
    "D2S": {0.05: (32.16, 0.960), 0.1: (30.26, 0.936), 0.15: (28.22, 0.887)},
    "D-GAN": {0.05: (38.93, 0.963), 0.1: (37.85, 0.971), 0.15: (34.68, 0.932)},
}
Scores = dict[str, dict[str, float]]  # by name, as {"psnr 0.1": 29.4}


def main() -> None:
    """Train what is missing, score what has not been scored, write the tables."""
    options = _options()
    torch.set_num_threads(options.threads)
    data = _dataset(options)
    for network in NETWORKS:
        for protocol in PROTOCOLS:
            for trained in TRAINED:
                _train(options, data, network, protocol=protocol, trained=trained)
    scores = {protocol: _scored(options, protocol) for protocol in PROTOCOLS}
    budget = f"{options.steps} steps of {options.batch} patches of {options.patch}"
    found = {"budget": budget, "data": str(data.name), "scores": scores}
    write_whole(options.out / "tables.json", json.dumps(found, indent=1).encode() + b"\n")
    text = "\n".join(_tables(scores, budget))
    write_whole(options.out / "tables.md", text.encode() + b"\n")
    print(text)


def _dataset(options: argparse.Namespace) -> Path:
    """The folder to train on; PNG files of cine MR become one."""
    found = cine.subjects(options.data)
    if not found:
        return Path(options.data)
    made = Path(options.out / "data")
    for subject, frames in found.items():
        path = made / f"sub-{subject}" / f"sub-{subject}_cine.nii.gz"
        if not path.exists():
            cine.convert(frames, path)
    return made


def _run(out: Path, network: str, protocol: str, trained: str) -> Path:
    return out / "runs" / f"{network}-{protocol}-{trained}"


def _train(
    options: argparse.Namespace, data: Path, network: str, *, protocol: str, trained: str
) -> None:
    """One run, to its end; ends with its exit status if it stops before."""
    run = _run(options.out, network, protocol, trained)
    if (run / "best.json").is_file() and checkpoints.load(str(run)).card.metrics.get("test"):
        return
    shape = f"width={options.width},groups={options.groups},blocks={options.blocks}"
    command = [
        *(sys.executable, "-m", "medclean", "train", str(data), "-o", str(run), "--resume"),
        *("--model", f"{network}:{shape}", "--modality", "MR", "--device", options.device),
        *("--noise", f"gaussian:sigma={TRAINED[trained]}{PROTOCOLS[protocol]}"),
        *("--steps", str(options.steps), "--every", str(options.every)),
        *("--batch", str(options.batch), "--patch", str(options.patch), "--lr", str(options.lr)),
    ]
    print(f"{run.name}: {' '.join(command[2:])}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)


def _scored(options: argparse.Namespace, protocol: str) -> Scores:
    """Scores of each method in one protocol, kept as they are found."""
    path = options.out / f"scores-{protocol}.json"
    scores: Scores = json.loads(path.read_text()) if path.is_file() else {}
    folder = _run(options.out, "dgan", protocol, "blind") / "state" / "test"
    slices = cached((), folder, report=print, stop=Stop())
    pairing = Pairing(Noise(f"gaussian:sigma=0.1{PROTOCOLS[protocol]}"))
    samples = Samples(slices, pairing, (options.patch,), (1,), context=1, seed=0)
    held = Validation(samples, count=options.slices, sigmas=SIGMAS)
    if "NOISY" not in scores:
        scores["NOISY"] = held.before()
    for name, make in _methods(options, protocol):
        if name not in scores:
            try:
                model = make()
            except MissingError as error:
                print(f"without {name}: {error}", file=sys.stderr)
                continue
            scores[name] = held.scores(model, torch.device("cpu"), Stop())
            write_whole(path, json.dumps(scores, indent=1).encode())
            print(f"{protocol}: {name} {scores[name]}", flush=True)
    return scores


def _methods(options: argparse.Namespace, protocol: str) -> Iterator[tuple[str, Any]]:
    """A name for the tables, and what makes the model."""
    for name, called in FILTERS.items():
        yield called, lambda name=name: Model.of(MODELS.make(name))
    for network, called in NETWORKS.items():
        for trained in TRAINED:
            run = _run(options.out, network, protocol, trained)
            yield f"{called}, {trained}", lambda run=run: checkpoints.load(str(run)).model.eval()


def _tables(scores: dict[str, Scores], budget: str) -> Iterator[str]:
    """Both tables as Markdown; a cell is PSNR / SSIM."""
    yield f"Ours: {budget}. *single* was trained at sigma 0.1 alone, *blind* at 0 to 0.3."
    yield "The printed SSIM of Table II is, but for D-GAN, most likely of range 2, and so higher."
    ours = [f"{called}, {trained}" for called in NETWORKS.values() for trained in TRAINED]
    beside = ["NOISY", *FILTERS.values()]
    for title, printed, sigmas, names in (
        ("Table I", PRINTED_1, (0.1, 0.2, 0.3), [*ours, *beside]),
        ("Table II", PRINTED_2, (0.05, 0.1, 0.15), [*beside, *ours]),
    ):
        yield f"\n## {title}\n"
        yield f"| method | {' | '.join(f'sigma {sigma:g}' for sigma in sigmas)} |"
        yield f"|---|{'---|' * len(sigmas)}"
        for name, row in printed.items():
            yield _row(f"{name} (printed)", [row.get(sigma) for sigma in sigmas])
        for protocol, found in scores.items():
            for name in (name for name in names if name in found):
                alone = name.endswith("single")
                cells = [
                    (found[name][f"psnr {sigma:g}"], found[name][f"ssim {sigma:g}"])
                    if sigma == 0.1 or not alone
                    else None
                    for sigma in sigmas
                ]
                yield _row(f"{name} ({protocol})", cells)


def _row(name: str, cells: list[tuple[float, float] | None]) -> str:
    shown = ["" if cell is None else f"{cell[0]:.2f} / {cell[1]:.3f}" for cell in cells]
    return f"| {name} | {' | '.join(shown)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="PNG files, or a data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and tables")
    parser.add_argument("--steps", type=int, required=True, help="of each of the twelve runs")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--groups", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--slices", type=int, default=24, help="about how many are scored")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
