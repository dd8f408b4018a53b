"""A data set in miniature to train on, and a training that can be killed.

``python little_dataset.py DATASET OUT [BATCH]`` trains on it, and goes on where it stopped.
"""

import json
import sys
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter

from medclean.jobs.train import TrainJob
from medclean.log import Log

MODEL = "dgan:width=4,groups=1,blocks=1,streams=[1,2],critic_width=4,patch=16,alone=0.5"


def write_image(path, seed=0, *, noise=0.0, shape=(32, 28, 4), spacing=(1, 1, 4), modality="MR"):
    """Blobs that are as smooth as anatomy, bright on black, 0 to about 1000."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.standard_normal(shape), (3, 3, 1))
    image = 1000 * np.clip(blobs / blobs.max() + 0.3, 0, None)
    image = np.abs(image + noise * 1000 * rng.standard_normal(shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(image.astype(np.float32), np.diag([*spacing, 1.0])).to_filename(path)
    if modality:
        sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
        sidecar.write_text(json.dumps({"Modality": modality, "BodyPart": "HEAD"}))
    return path


def make_dataset(root, patients=4, **image):
    """Patients with one image each, in BIDS folders."""
    for number in range(patients):
        write_image(
            root / f"sub-{number:02}" / "anat" / f"sub-{number:02}_T1w.nii.gz", number, **image
        )
    return root


def job(dataset, out, **settings):
    """A training of a second or two."""
    usual = {"steps": 6, "every": 2, "batch": (2,), "patch": (16,), "device": "cpu", "resume": True}
    return TrainJob(dataset, settings.pop("model", MODEL), out, **{**usual, **settings})


if __name__ == "__main__":
    from medclean.pipelines.train import train

    dataset, out, *batch = sys.argv[1:]
    settings = {"batch": (int(batch[0]),)} if batch else {}
    train(job(Path(dataset), Path(out), every=1, **settings), Log(every=0))
