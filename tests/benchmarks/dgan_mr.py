"""Lay out the images that the shipped ``dgan-mr`` was trained on.

    python tests/benchmarks/dgan_mr.py --data ../shared/data --out DATASET
    LOW='gaussian:sigma=0..0.12|gaussian:sigma=0..0.3|rician:sigma=0..0.3'
    DGAN=dgan:alone=1
    train() { medclean train DATASET --batch 4 --every 200 --model $DGAN,weighting=$1 "${@:2}"; }
    train 0.05 -o RUN1 --steps 3000 --lr 6e-4
    train 0.03 -o RUN2 --steps 2200 --lr 5e-4 --seed 1 --noise "$LOW" --init RUN1
    train 0.02 -o RUN3 --steps 1900 --lr 4e-4 --seed 2 --noise "$LOW" --init RUN2
    train 0.02 -o RUN4 --steps 4000 --lr 4e-4 --seed 3 --noise "$LOW" --init RUN3 --batch 8
    WIDE="gaussian:sigma=0..0.3|gaussian:sigma=0..0.3"
    ALL="$WIDE|gaussian:sigma=0..0.12|rician:sigma=0..0.3|gaussian:sigma=0..0.3,clip=true"
    L2=0.05,momentum=0.9,distance=l2
    train $L2 -o RUN5 --steps 3000 --lr 3e-4 --seed 4 --noise "$ALL" --init RUN4 --batch 8
    train $L2 -o RUN6 --steps 5000 --lr 3e-4 --seed 5 --noise "$ALL" --init RUN5 --batch 8
    BERHU=0.05,momentum=0.9,distance=berhu
    NEARLY_WHOLE="--batch 3 --patch 224"
    train $BERHU -o RUN7 --steps 700 --lr 2e-4 --seed 6 --noise "$ALL" --init RUN6 $NEARLY_WHOLE
    train $BERHU -o RUN8 --steps 4000 --lr 3e-4 --seed 8 --noise "$ALL" --init RUN7 --patch 192
    MUON=$BERHU,optimiser=muon
    train $MUON -o RUN9 --steps 2600 --lr 3e-4 --seed 9 --noise "$ALL" --init RUN8 --patch 192
    train $MUON -o RUN10 --steps 1400 --lr 4e-4 --seed 10 --noise "$ALL" --init RUN9 --patch 192
    LOWS="gaussian:sigma=0..0.3|gaussian:sigma=0..0.15|rician:sigma=0..0.3|rician:sigma=0..0.1"
    LOWS="$LOWS|gaussian:sigma=0..0.3,clip=true"
    MUON=0.03,momentum=0.9,distance=berhu,optimiser=muon
    train $MUON -o RUN11 --steps 3000 --lr 3e-4 --seed 11 --noise "$LOWS" --init RUN10 --patch 192
    GROWING="--patch 128,128,192"
    train $MUON -o RUN12 --steps 5600 --lr 2e-3 --seed 13 --noise "$LOWS" --init RUN11 $GROWING

Seventeen hours of one or two busy processors with bfloat16; RUN8 was ended at half its length, and
what is shipped is the last run. Each starts from the best step of the one before, by validation
(runs 1 to 8 looked every 100 to 500 steps). Squared differences win PSNR and lose SSIM, most of it
in the air; the reverse Huber loss wins the SSIM back, and Muon needs fewer steps than Adam, at a
rate of about 3e-3 (runs 9 to 11 were too slow).

BIDS-like folders: contrasts of one person share a ``sub-``, so that no person stands in two splits.
``participants.tsv`` says which split each person is in, ``dataset_description.json`` where each
image comes from. Images with too much noise of their own are left out by ``medclean train``: two of
the cord, so that 25 patients teach, 6 validate and 8 test.
"""

import argparse
import csv
import json
import shutil
from pathlib import Path

import cine

MR = {  # file in data/mr: person, body part, source
    "mr_brain_flair_openms_patient01_study1": ("openms01", "BRAIN", "openms"),
    "mr_brain_t1w_openms_patient01_study1": ("openms01", "BRAIN", "openms"),
    "mr_brain_t2w_openms_patient01_study1": ("openms01", "BRAIN", "openms"),
    "mr_brain_flair_openms_patient03_study1": ("openms03", "BRAIN", "openms"),
    "mr_brain_t2w_openms_patient03_study1": ("openms03", "BRAIN", "openms"),
    "mr_brain_flair_openms_patient12_study1": ("openms12", "BRAIN", "openms"),
    "mr_brain_t1w_openms_patient12_study1": ("openms12", "BRAIN", "openms"),
    "mr_brain_t2w_openms_patient12_study1": ("openms12", "BRAIN", "openms"),
    "mr_brain_t1gd_niivue_skullstripped": ("niivue", "BRAIN", "niivue"),
    "mr_brain_t1gd_pyradiomics1": ("pyradiomics1", "BRAIN", "pyradiomics"),
    "mr_brain_t1gd_pyradiomics2": ("pyradiomics2", "BRAIN", "pyradiomics"),
    "mr_brain_t1w_datalad": ("datalad", "BRAIN", "datalad"),
    "mr_cspine_t1w_sct": ("sct1", "CSPINE", "sct"),
    "mr_cspine_t2_sct_fakelesion": ("sct2", "CSPINE", "sct"),
    "mr_cspine_t2s_sct": ("sct3", "CSPINE", "sct"),
    "mr_prostate_t2_prostatex": ("prostatex", "PROSTATE", "prostatex"),
}
SOURCES = {
    "openms": ("muschellij2/open_ms_data", "CC BY"),
    "niivue": ("niivue/niivue-demo-images: MR_Gd; figshare 7472168", "CC BY 4.0"),
    "pyradiomics": ("AIM-Harvard/pyradiomics: data", "BSD-3-Clause"),
    "datalad": ("datalad/example-dicom-structural", "PDDL"),
    "sct": ("spinalcordtoolbox/sct_testing_data", "MIT"),
    "prostatex": ("TCIA PROSTATEx, through HiLab-git/WSL4MIS", "CC BY"),
    "cine": ("Sunnybrook Cardiac Data, through mshunshin/SegNetCMR", "CC0"),
}
VALIDATION = {"openms03", "pyradiomics2", "SCHFI05", "SCHFNI31", "SCHYP07", "SCN05"}
TEST = {"openms12", "SCHFI02", "SCHFNI04", "SCHFNI36", "SCHYP01", "SCHYP38", "SCN03", "SCN40"}


def main(data: Path, out: Path) -> None:
    """Make the folder."""
    persons = {}
    for name, (person, part, _) in MR.items():
        folder = out / f"sub-{person}" / "anat"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / "mr" / f"{name}.nii.gz", folder / f"{name}.nii.gz")
        sidecar = json.dumps({"Modality": "MR", "BodyPart": part})
        (folder / f"{name}.json").write_text(f"{sidecar}\n")
        persons[person] = part
    for person, frames in cine.subjects(data / "cine").items():
        cine.convert(frames, out / f"sub-{person}" / "func" / f"sub-{person}_cine.nii.gz")
        persons[person] = "HEART"
    with (out / "participants.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["participant_id", "split"])
        writer.writerows((f"sub-{person}", split_of(person)) for person in sorted(persons))
    description = {
        "Name": "Open MR images for denoising",
        "BIDSVersion": "1.10.0",
        "License": "see SourceDatasets",
        "SourceDatasets": [{"Name": n, "License": terms} for n, terms in SOURCES.values()],
    }
    (out / "dataset_description.json").write_text(json.dumps(description, indent=1) + "\n")
    print(f"{len(persons)} persons in {out}")


def split_of(person: str) -> str:
    """Chosen by hand, so that each split has hearts and brains."""
    return "test" if person in TEST else "validation" if person in VALIDATION else "train"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with mr/ and cine/")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()
    main(arguments.data, arguments.out)
