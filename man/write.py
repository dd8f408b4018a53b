"""Write the man pages from the command tree: ``python man/write.py`` (``make man``)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from medclean.catalog import MASKS, NOISES, SCHEDULES, Catalog
from medclean.cli import NOTICE, app
from medclean.errors import Exit
from medclean.options import word
from roff import text as _text

HERE = Path(__file__).parent
DATE = "2026-11-21"  # of the pages' last change in substance
OTHERS = {  # pages beside those of commands
    "add-noise": ("medclean-run(5)", "medclean-conformance(7)"),
    "denoise": ("medclean-run(5)", "medclean-conformance(7)"),
    "prepare": ("medclean-dataset(5)", "medclean-run(5)"),
    "report": ("medclean-evaluate(1)", "medclean-run(5)"),
    "train": ("medclean-dataset(5)",),
    "undersample": ("medclean-run(5)", "medclean-conformance(7)"),
}

STATUSES = {
    Exit.DONE: "All that was asked for is done, now or before; also for an empty shard.",
    Exit.BUG: "A bug: an unexpected error. The traceback shows no values.",
    Exit.USAGE: "Usage: a bad option or value, an unknown name, a missing path, an output inside "
    "or over an input, an output folder of another job, a pickle instead of a checkpoint.",
    Exit.NOTHING_TO_DO: "Nothing to do: the paths hold no eligible image.",
    Exit.BAD_DATA: "Bad data: every eligible series failed, or there is nothing to train with.",
    Exit.MISSING: "Something is missing: a checkpoint or its hash, a codec, a program, a device.",
    Exit.CANNOT_WRITE: "Cannot write: permission, a full disk, an output that a running job holds.",
    Exit.GATE_CROSSED: "A limit of --fail-on or --fail-under was crossed, or a training diverged.",
    Exit.PARTIAL: "Partial: some series are done, some failed; the manifest, of evaluate the gaps "
    "in the scores, say which.",
    Exit.STOPPED: "Stopped by SIGTERM and its like; run the same command again to go on; add "
    "--resume for train.",
    Exit.INTERRUPTED: "Stopped by Ctrl-C; as for 75.",
}
VARIABLES = {
    "MEDCLEAN_CONFIG": "A config file, as --config takes it.",
    "MEDCLEAN_DEBUG": "If set, a bug is shown with the messages of its errors and the warnings of "
    "libraries, which may hold values of tags.",
    "NO_COLOR": "If set, nothing is coloured.",
    "SLURM_CPUS_PER_TASK": "How many processors to use; without it, those of the affinity mask.",
}


@dataclass(frozen=True)
class More:
    """What a page says beyond what the command tree knows: help by file, command by purpose."""

    about: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)


LISTED: Mapping[str, Catalog] = {
    "add-noise": NOISES,
    "train": SCHEDULES,
    "undersample": MASKS,
}
RECORD = {
    "OUT/medclean-run/manifest*.json": "Job, versions, device, model, tally, and every "
    "input with its status and reason.",
    "OUT/medclean-run/journal*.jsonl": "The record that the manifest is made from and a "
    "later run goes on from, one line an event.",
    "OUT/medclean-run/report*.html": "A page of what was done, for people: medclean-report(1).",
    "OUT/medclean-run/lock*": "Says which running job holds the folder.",
}
SIMULATED = (
    "Each result is a DICOM series of its own, or a NIfTI file, at the path of its source below "
    "the output folder. It says that it is simulated: SIMULATED before Series Description, the "
    "first words of Image Comments, a coded step, and in Derivation Description what was done with "
    "which seed. Dose, exposure and times stay those of the acquisition.",
    "What is drawn depends on --seed, the series and the image alone: on no other file, no order, "
    "no shard. A run that was stopped goes on when the same command is run again, and ends with "
    "the same bytes. --select, --from-file, --include, --copy-others, --shard and --dry-run, which "
    "foresees no time here, are those of medclean-denoise(1).",
)
MORE = {
    "denoise": More(
        about=(
            "A result is a DICOM series of its own, or a NIfTI file, at the path of its source "
            "below the output folder. Sources are never changed. What is not denoised is listed "
            "with its reason, and does not change the exit status.",
            "With --residual, what was removed is written to OUT/residual at the same path: stored "
            "result plus stored residual is the stored source, exactly for integers, frame by "
            "frame. A series in which a pixel changed by more than signed 16 bits can say has "
            "none, nor has a multi-frame object without functional groups; a line says so. A "
            "study with a folder residual of its own is refused where names would clash.",
            "A series of which a file cannot be read is not written, unless --allow-gaps is given. "
            "A file that cannot be opened, or be parsed, does not say which series it is of: it "
            "fails by itself and counts as a series, and the others of its folder are written; "
            "where that leaves a gap in a stack, a line names its place.",
            "A run that was stopped goes on when the same command is run again, and ends with the "
            "same bytes as one that was not.",
            "Expressions of --select and --exclude are conditions, with a comma for and: "
            "KEYWORD=VALUE is equal, KEYWORD~REGEX is found anywhere; case is ignored. KEYWORD is "
            "a DICOM keyword of the top level, a tag such as 0019,100A, or path: the path below "
            "the study. NIfTI files have path and Modality. Of several values one that fits is "
            "enough, and what is absent is an empty text. A comma inside a value is written `\\,`. "
            "What is deselected inside a series is not missing from it: nothing is marked "
            "INCOMPLETE, and no slice takes neighbours from beyond it. A file that cannot be read "
            "fails, unless its path deselects it.",
            "With --copy-others all that is skipped is copied byte by byte to its own path below "
            "the output: other objects and other files, but no DICOMDIR, which would point at "
            "files that have changed, and no record of a run. What failed is not copied. A file "
            "that cannot be copied, or whose name is taken, fails alone and is tried again at the "
            "next start.",
            "With --dry-run nothing is written. The output is a table, or with --json one object: "
            "`series`, `inputs` (every file), `estimate` and `exit`, the status that the run would "
            "have. One batch is tried to foresee time and memory; a run may take half or twice as "
            "long. What lies in the output folder already is believed by name, not by hash. Damage "
            "is foreseen as far as it shows without decoding: pixels that are cut off, frames that "
            "are missing, no decoder; not what only a decoder finds within compressed pixels.",
            "Scanners often show 256 samples as 512 pixels. Noise is then no longer white, and a "
            "network that learnt white noise would leave it. With --native auto an MR stack that "
            "was interpolated twofold is recognised, along each axis for itself, by its noise, "
            "which fills half of the frequencies there (the median of at most 32 slices). The "
            "network sees its samples, the middle of its k-space; what it takes off them is "
            "interpolated and taken off the stack, which otherwise stays as it is. The record "
            "says so, as `interpolated`. Noise below 1 % of scale is too little to tell by; other "
            "factors (320 samples as 512 pixels) are not looked for; --dry-run does not foresee "
            "that there is less to compute; and networks that learnt from pairs, or to undo "
            "undersampling, take every pixel.",
            "What was done to each series beside removing noise is measured: bias of the mean, "
            "structure in what was removed, edges, noise that is left, and the greatest spot of a"
            " lesion's size. Each is that of the whole series or of its worst frame, whichever is"
            " worse, and so --fail-on judges it; see medclean-run(5). A series that crosses a "
            "limit of --fail-on has failed, is not written, and stops no other; edges fail below "
            "their limit, the others above theirs. A figure that cannot be measured crosses every"
            " limit, but HU concern CT alone and % the others. A series that crossed one is not "
            "computed again, unless its files change or --overwrite asks for it.",
            "Progress goes to standard error. Standard output carries the safety figures, those "
            "of the worst series first (~ is amber, ! is red), and one line at the end, or with "
            "--json the tally and all figures.",
        ),
        files=RECORD,
        examples={
            "Denoise a study into the folder study-dgan beside it:": "medclean denoise study "
            "--model dgan",
            "A filter with an option, for one CT in NIfTI:": "medclean denoise chest.nii.gz "
            "--model nlm:strength=0.6 --modality CT",
            "Only T2-weighted MR, but no localizer of whatever name:": "medclean denoise study "
            "--model dgan --select 'Modality=MR,SeriesDescription~t2' --exclude "
            "'SeriesDescription~loc|scout'",
            "Files that a list names, as `find` writes it:": "medclean denoise --from-file new.txt "
            "-o clean --model dgan",
            "What it would take, before it is begun:": "medclean denoise archive -o clean --model "
            "dgan --dry-run",
            "No series whose mean moves or whose edges blur:": "medclean denoise study "
            "--model dgan --fail-on bias=5HU,bias=2%,edges=0.9",
            "One task of a SLURM job array:": "medclean denoise archive -o clean --model dgan "
            "--shard auto",
            "With a network of one's own:": "medclean denoise study --model runs/dgan -o clean",
        },
    ),
    "prepare": More(
        about=(
            "Each image series is converted to NIfTI by dcm2niix and held against our own reader: "
            "where it refuses a series, or gives other voxels or another place, ours converts it, "
            "and cases.json says why. NIfTI files are taken as they are, but for labels, maps and "
            "phases, as intent codes and BIDS names tell them (--include). Names are made from "
            "keyed hashes; no value that could identify is passed on. A patient's split is "
            "recorded and never changes; running the same command again adds what is new and "
            "redoes nothing.",
            "A series of which slices are missing, or lie at uneven distances (off an even grid by "
            "more than a tenth of a distance), fails: no affine would be right for all of it. With "
            "--allow-missing each part between gaps is a case of its own, and what is uneven is "
            "taken as even; cases.json notes both.",
            "Values are those of the scanner, in HU, Bq/ml or as MR has them, on its own grid, "
            "unless an option says otherwise. Nothing is clipped on disk: noise has to be added "
            "before an image is clipped, and training does both.",
        ),
        files={
            "DATASET/cases.json": "What there is, and who may see what: medclean-dataset(5).",
            "DATASET/images/": "Images, with their sidecars, body masks and bias fields.",
            "DATASET/medclean-run/": "The record, and the secret that names are made with: "
            "medclean-run(5).",
        },
        examples={
            "A data set of all that an archive holds:": "medclean prepare archive -o dataset",
            "CT at half a millimetre, in six folds:": "medclean prepare archive -o dataset "
            "--select Modality=CT --resample 0.5 --folds 6",
            "Low dose with full dose:": "medclean prepare archive -o dataset --pair-by "
            "'SeriesDescription~low dose'",
        },
    ),
    "add-noise": More(
        about=(
            *SIMULATED,
            "A level such as sigma is a share of what 1 means in the series (its 99.9th percentile "
            "without padding, or with --scale max its maximum; 4000 HU in CT), or has the unit of "
            "its images: 0.05, 5% and 20HU are levels. Several noises are added one after the "
            "other. A series that a noise cannot be of is skipped with that reason: of another "
            "modality (unless --force is given), another unit, or pixels that are not square where "
            "rays need such. Each slice is computed by itself: where some are missing, a line says "
            "so, and the others are what they would be.",
            "Standard output says of each series, in its unit, the standard deviation that was "
            "asked for, and what was measured: that of the change within the body, and the noise "
            "level of the series before and after, each from the images alone, within a quarter "
            "of it where noise is smooth, as after reconstruction. Rician noise measures less than "
            "sigma where the signal is weak.",
        ),
        files=RECORD,
        examples={
            "Magnitude MR at a tenth of its scale:": "medclean add-noise study -o noisy --noise "
            "rician:sigma=0.1 --seed 7",
            "A quarter of the dose of a CT:": "medclean add-noise chest -o low --noise "
            "low-dose:dose=0.25",
            "Two noises, one after the other:": "medclean add-noise study -o noisy --noise "
            "gaussian:sigma=5% --noise spike:count=2",
        },
    ),
    "undersample": More(
        about=(
            *SIMULATED,
            "The magnitude of each image is transformed, sampled through a mask and transformed "
            "back; what was not sampled is zero. All slices of one shape in a series share a mask. "
            "With --transform 3d the slices of a group are one volume; of a series of which slices "
            "are missing, or lie at uneven distances, this is none: it fails, and says where, "
            "unless --allow-missing is given. Slices by themselves lack nothing: there a line "
            "tells of it. Images that have no k-space "
            "are skipped with that reason: of other modalities than MR, and phase images; with "
            "--force CT is counted from air.",
            "Complex numbers are taken too. In .npy: (rows, columns), (coils, rows, columns) or "
            "(slices, coils, rows, columns), of k-space or, with --arrays images, of coil images, "
            "the zero frequency at n // 2 of each axis. In NIfTI: images, each volume by itself. "
            "In HDF5, for which the extra hdf5 has to be installed: Cartesian raw data of ISMRMRD, "
            "each contrast, phase, repetition and set by itself, averages averaged and readouts "
            "cut to the field of view of the reconstruction; and kspace as of fastMRI, of which a "
            "row here is a readout, so that the last two axes have changed places. The images of "
            "coils become one magnitude, their root sum of squares; what has no coils stays "
            "complex. NIfTI stays NIfTI, an array an array, and the images of x.h5 are x.h5.npy.",
            "The manifest says of each series, under kspace, the ratio asked for and the one "
            "measured, the conventions of the transform, and which slice of which input each slice "
            "of an array is.",
        ),
        files={
            **RECORD,
            "OUT/medclean-run/kspace-SERIES-N.npy": "What was sampled of the N-th group of a "
            "series: complex64, (slices, rows, columns), with coils (slices, coils, rows, "
            "columns); 0 where nothing was. The transform of the stored images is not the same: "
            "they are rounded magnitudes.",
            "OUT/medclean-run/mask-SERIES-SHAPE.npy": "The mask, of booleans.",
            "OUT/medclean-run/*.png": "A picture of each: the mask, and the logarithm of the "
            "magnitude in the middle of k-space.",
        },
        examples={
            "Three lines of ten, more in the middle:": "medclean undersample study -o sparse "
            "--mask gaussian-1d:ratio=0.3",
            "A volume, eight times as fast:": "medclean undersample brain.nii.gz -o sparse "
            "--transform 3d --mask poisson-disc:acceleration=8",
        },
    ),
    "train": More(
        about=(
            "Patients are split before anything is drawn, so that none is in two parts. The last "
            "and the best checkpoint carry a card that says what they were trained on; that of the "
            "best has scores of the test split at each level of noise, beside those of the noisy "
            "images and of filters.",
            "Images are ground truth where their own noise is below 2.5 % of their scale; others "
            "are averaged over neighbouring voxels if that is enough, or left out, and a line says "
            "so. Slices with next to no content are left out, too.",
            "A run that is stopped or killed goes on with --resume from its last checkpoint, to "
            "the same weights. As N tasks of `srun`, or under `torchrun --nproc-per-node N -m "
            "medclean train ...`, the same command trains as one: each process takes its share of "
            "every batch, and the first one writes. Batch norm has statistics of its own in each; "
            "models with an option norm learn what one process does with norm=group.",
        ),
        files={
            "OUT/job.toml": "The settings, fit for --config.",
            "OUT/log.csv, OUT/curves.png": "Losses and validation over the steps.",
            "OUT/report.html": "A page with the curves, the settings and the card.",
            "OUT/validation.png": "Held-out slices: noisy, denoised, clean, and what was removed.",
            "OUT/best.safetensors, OUT/last.safetensors": "Weights, each with a card of the same "
            "name in .json.",
            "OUT/state/": "What a resumed run needs.",
            "OUT/seed-N/, OUT/seeds.json": "With --seeds: the runs, each as above, and the mean, "
            "standard deviation and values of each figure.",
        },
        examples={
            "Train with named settings:": "medclean train images -o runs/dgan --preset dgan-small",
            "From the weights that ship, on a few images of one's own:": "medclean train few -o "
            "runs/tuned --init dgan --model dgan:alone=1 --modality MR --steps 500 --every 100",
            "Go on after a stop:": "medclean train images -o runs/dgan --config runs/dgan/job.toml "
            "--resume",
        },
    ),
    "evaluate": More(
        about=(
            "A result is compared with the reference that it is of, found by the first of these "
            "that tells: SOP Instance UIDs of the images that it was made from, also by way of "
            "--noisy; the same UIDs; the same path, or file name; the only one on the same grid. "
            "Grids that differ by the order and direction of their axes alone are turned onto "
            "each other exactly. Nothing is resampled: another grid, another unit, or by name or "
            "grid another patient is refused, and said.",
            "DICOM segmentations (binary, fractional from half of the greatest value on, or label "
            "maps) are laid onto the slices of their image, as planes without a segment may be "
            "missing. Refused are those in another frame of reference, with segments that overlap, "
            "or whose numbers mean another structure than in what they are compared with.",
            "Against the reference: psnr, ssim (Gaussian window), ms-ssim, rmse, nmse (the root, "
            "as the papers have it), mae, gmsd and bias, in the whole image, in the body, in "
            "--mask and its regions, and in images cut to a --window; for PET suv-max and suv-mean "
            "as changes in %. By themselves: noise, edge-slope, snr, cnr between regions, and "
            "nps-frequency, the mean frequency of the spectrum of result - reference. Against "
            "--noisy: noise-reduction and whiteness of what was removed. With --labels: dice, "
            "hausdorff, hausdorff-95, surface-distance and volume-error of each label.",
            "The peak of PSNR and the range of SSIM is the scale of the reference series: its "
            "99.9th percentile, 4000 HU for CT; --data-range says another. PSNR, RMSE, NMSE, MAE "
            "and bias are over all voxels of a case, SSIM and its like means over slices. Padding "
            "counts nowhere. --paper scores as a paper did, so that its tables can be compared "
            "with; the last lines say how.",
            "A patient counts once, with the mean of its cases, of each modality for itself. "
            "Methods are compared over the cases that they share, and none is marked as the best "
            "where one lacks cases. Values in au are in the unit of each series: of several, nmse "
            "and psnr say more. Shown are mean and standard "
            "deviation over patients, the 95 % bootstrap interval of the mean, and for the best "
            "method its differences from the others: paired t test and Wilcoxon's, corrected after "
            "Holm for all pairs of methods, limits of agreement (Bland-Altman) and Cohen's d; from "
            "three methods on Friedman's test; of bias, suv-max, suv-mean and volume-error also "
            "the limits of agreement with the reference. The .json file has them for every figure. "
            "One patient has no statistics.",
            "What has no value, such as MS-SSIM of a slice below 176 pixels, is a gap that is told "
            "with its reason, never a number. The exit status is 8 where a reference, a result of "
            "it, or its mask is missing or cannot be used: a script that goes on if all is good "
            "enough must not go on without some of it. Localizers, maps and the like need none. "
            "While it runs, images wait in what TMPDIR names: 5 bytes a voxel of one series and of "
            "all its results.",
        ),
        files={
            "SCORES.csv": "A row a value: result, patient, case, region, metric, value, unit. "
            "Cases and patients are keyed hashes, or numbers where there is no key.",
            "SCORES.json": "The same rows, with statistics, gaps, how results were matched, "
            "conventions and versions.",
            "DIR/CASE-errors.png, DIR/CASE-nps.png": "The middle slice of each result and its "
            "difference from the reference, within 100 HU or 10 % of scale; noise power spectra, "
            "where nps-frequency is told.",
        },
        examples={
            "Two denoisers, and what they began with:": "medclean evaluate clean study-nlm "
            "study-dgan --noisy study -o scores.csv",
            "CT in a soft tissue window, in regions of interest:": "medclean evaluate full-dose "
            "denoised --window -160..240 --mask organs.nii.gz --maps maps",
            "As the paper on CNCL scored its CT:": "medclean evaluate full-dose denoised --paper "
            "001",
            "In a script, that goes on only if it is good enough:": "medclean evaluate clean "
            "denoised --fail-under psnr=30,ssim=0.9 && ./send",
            "In the regions that somebody has drawn:": "medclean evaluate full-dose denoised "
            "--mask segmentation.dcm",
            "Segmentations of denoised images:": "medclean evaluate truth.nii.gz network.dcm "
            "--labels",
        },
    ),
    "report": More(
        about=(
            "One HTML file with all that is in it: it works offline and from an e-mail, in light "
            "and dark, and on paper. Each series is shown before, after and with what was "
            "removed, in one window: side by side, under a slider, in turn, slice by slice; with "
            "a detail, a line profile, a histogram, the noise power spectrum of what was removed,"
            " and its safety figures with what they mean. Volumes of thin slices have other "
            "directions, too; PET is inverse. The index is sorted, filtered and rated in the "
            "browser, which keeps ratings until they are exported.",
            "Several runs of one study are laid side by side. The journals of an array's tasks "
            "are read together, and a shard without one is named. What is torn, missing or gone "
            "is told on the page under what it lacks, and where a record is not whole the exit "
            "status is 8.",
            "Images are read from the output, and those before from the study, which the record "
            "does not name: it is looked for beside the output (STUDY beside STUDY-NAME), else "
            "--study says where it is. Files that have changed since are not taken for it.",
            "Series are named by keyed hash and modality. Images whose pixels are likely to show "
            "text are left out. --identifiable shows paths and descriptions, and what shows text:"
            " for use in the house. With --blind methods have letters, their figures, settings "
            "and names stand nowhere on the page, and FILE-key.json says which is which.",
            "A page has --max-mb at most: pictures become coarser, then fewer, those of outlying "
            "series last; the page says how many of how many are shown.",
        ),
        files={
            "OUT/medclean-run/report*.html": "The page that each run writes of itself, with a few "
            "slices of each series, unless --no-report is given; of a training OUT/report.html.",
            "FILE-key.json": "With --blind: the methods behind the letters, and the seed.",
        },
        examples={
            "The page of a run whose study lies beside it:": "medclean report study-dgan -o "
            "report.html",
            "Two methods, read without knowing which is which:": "medclean report study-nlm "
            "study-dgan --blind -o reading.html",
            "An array's tasks together, as a table:": "medclean report /scratch/denoised "
            "--format csv -o series.csv",
            "With the truth, and from scores:": "medclean report study-dgan scores.json "
            "--reference clean -o report.html",
        },
    ),
    "models": More(
        examples={
            "The options of one model:": "medclean models nlm",
            "Names of all networks, for a script:": "medclean models --json | "
            "jq -r '.[] | select(.kind != \"filter\").name'",
        }
    ),
    "doctor": More(
        about=(
            "Each check runs in a process of its own, so that a library that crashes is seen.",
            "The self-test is a constancy test: with --json its figures, the distances from what "
            "the card of each checkpoint says in shares of scale, can be followed over time.",
        ),
        examples={
            "Before a long job:": "medclean doctor && sbatch denoise.sh",
            "Every week, on the GPU too:": "medclean doctor --self-test --device cuda --json",
        },
    ),
}


def pages() -> dict[str, str]:
    """Each page by its file name."""
    tree: Any = typer.main.get_command(app)
    context = typer.Context(tree, info_name="medclean")
    commands = {name: command for name, command in tree.commands.items() if not command.hidden}
    made = {"medclean.1": "\n".join(_main_page(tree, commands, context)) + "\n"}
    for name, command in commands.items():
        made[f"medclean-{name}.1"] = "\n".join(_page(name, command, context)) + "\n"
    return made


def _main_page(tree: Any, commands: dict[str, Any], context: Any) -> Iterator[str]:
    yield from _head("medclean", tree.help)
    yield from (".SH SYNOPSIS", ".B medclean", r".RI [ options ]", ".I command", r".RI [ ... ]")
    yield from (".SH DESCRIPTION", _text(tree.help), ".PP", _text(NOTICE))
    yield ".SH COMMANDS"
    for name, command in commands.items():
        yield from (".TP", rf".BR {_text(f'medclean-{name}')} (1)", _text(_short(command)))
    yield from _parameters(tree, context)
    yield from _common()
    yield from _see_also(
        [
            *(f"medclean-{name}(1)" for name in commands),
            "medclean-run(5)",
            "medclean-dataset(5)",
            "medclean-conformance(7)",
        ]
    )


def _page(name: str, command: Any, parent: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=name, parent=parent)
    more = MORE.get(name, More())
    yield from _head(f"medclean-{name}", _short(command))
    yield from (".SH SYNOPSIS", f".B medclean {name}", ".RI [ options ]")
    for argument in _of(command, "argument"):
        spelt = rf"\fI{_text(argument.metavar)}\fR{'...' if argument.nargs == -1 else ''}"
        yield spelt if argument.required else f"[{spelt}]"
    yield from (".SH DESCRIPTION", _text(command.help))
    for paragraph in more.about:
        yield from (".PP", _text(paragraph))
    yield from (".PP", _text(NOTICE))
    yield from _parameters(command, context)
    if name in LISTED:
        yield from _catalog(LISTED[name])
    yield from _common(settings=any(p.name == "config" for p in command.params))
    if more.files:
        yield ".SH FILES"
        for file, help_ in more.files.items():
            yield from (".TP", rf".I {_text(file)}", _text(help_))
    script = HERE / f"medclean-{name}.sbatch"
    if script.exists():
        yield from (
            ".SH ON A CLUSTER",
            "For SLURM; a task that it stops goes on when it is requeued:",
        )
        yield from (
            ".PP",
            ".nf",
            *map(_text, script.read_text(encoding="utf-8").splitlines()),
            ".fi",
        )
    if more.examples:
        yield ".SH EXAMPLES"
        for title, line in more.examples.items():
            yield from (".TP", _text(title), _text(line))
    yield from _see_also(["medclean(1)", *OTHERS.get(name, ())])


def _head(name: str, summary: str) -> Iterator[str]:
    yield r".\" Written by man/write.py from the command tree: change that, then `make man`."
    yield f'.TH {_text(name.upper())} 1 "{DATE}" "medclean" "User commands"'
    yield from (".SH NAME", rf"{_text(name)} \- {_text(summary.rstrip('.'))}")


def _parameters(command: Any, context: Any) -> Iterator[str]:
    if arguments := _of(command, "argument"):
        yield ".SH ARGUMENTS"
        for argument in arguments:
            yield from (".TP", f".I {_text(argument.metavar)}", _text(argument.help))
    yield ".SH OPTIONS"
    for option in [*_of(command, "option"), command.get_help_option(context)]:
        flags = sorted([*option.opts, *option.secondary_opts], key=len)
        spelt = ", ".join(rf"\fB{_text(flag)}\fR" for flag in flags)
        value = rf" \fI{_text(option.metavar)}\fR" if option.metavar else ""
        yield from (".TP", f"{spelt}{value}", _text(option.help + _default(option)))


def _catalog(catalog: Catalog) -> Iterator[str]:
    yield f".SH {catalog.kind.upper()}S"
    for name in catalog:
        entry = catalog.entry(name)
        fits = f" For {entry.facts['fits'].replace(' ', ', ')}." if "fits" in entry.facts else ""
        yield from (".TP", f".B {_text(name)}", _text(f"{entry.summary}{fits}"))
        options = []
        for key, (_, default, help_) in entry.options.items():
            shown = "" if default is None else f" Default: {word(default)}."
            options += [".TP", rf".BI {_text(key)} =", _text(help_ + shown)]
        yield from (".RS", *options, ".RE") if options else ()


def _of(command: Any, kind: str) -> list[Any]:
    return [p for p in command.params if p.param_type_name == kind and not p.hidden]


def _default(option: Any) -> str:
    if option.required:
        return " Required."
    if option.default in (None, []) or option.is_flag:
        return ""
    several = isinstance(option.default, list)
    return f" Default: {', '.join(option.default) if several else option.default}."


def _common(*, settings: bool = True) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for status, meaning in STATUSES.items():
        yield from (".TP", f".B {int(status)}", _text(meaning))
    yield ".SH ENVIRONMENT"
    if settings:
        yield from (
            ".TP",
            r".BI MEDCLEAN_ SETTING",
            _text(
                "Sets an option of a command: MEDCLEAN_STRENGTH=0.8 is --strength 0.8. A flag goes "
                "before the variable, that before a config file, that before the default. An "
                "option that can be repeated takes a value a line."
            ),
        )
    for name, meaning in VARIABLES.items():
        yield from (".TP", f".B {name}", _text(meaning))


def _see_also(names: Iterable[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield ",\n".join(f".BR {_text(name[:-3])} {name[-3:]}" for name in names)


def _short(command: Any) -> str:
    return command.short_help or command.help


if __name__ == "__main__":
    for page, content in pages().items():
        (HERE / page).write_text(content, encoding="utf-8")
