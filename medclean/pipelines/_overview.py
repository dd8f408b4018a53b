"""What preparation found, took and left out: for people, beside the record."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from medclean.archive.runs import RUN_FOLDER
from medclean.archive.series import Scan
from medclean.files import cannot_write, make_folder, write_whole
from medclean.pipelines._case import Made
from medclean.report.contact_sheet import contact_sheet, save_thumbnail, thumbnail

TABLE = "series.csv"
SHEET = "contact-sheet.png"
PICTURES = "thumbnails"
COLUMNS = ("series", "modality", "status", "reason", "files", "cases", "slices", "splits")


@dataclass(frozen=True)
class Row:
    """What a data set has of one modality.

    Attributes:
        modality: ``"MR"``, ``"CT"`` or ``"PT"``.
        found: Series of the archive.
        used: Of these, those that are in the data set.
        failed: Those that could not be.
        cases: Of the data set, also from earlier archives; so are the others.
        slices: In them.
        patients: Who they are of, by split.
    """

    modality: str
    found: int
    used: int
    failed: int
    cases: int
    slices: int
    patients: Mapping[str, int]


def rows(
    series: Iterable[Mapping[str, Any]],
    cases: Iterable[Mapping[str, Any]],
    homes: Mapping[str, Mapping[str, Any]],
) -> tuple[Row, ...]:
    """One row a modality.

    Args:
        series: What the manifest says of each.
        cases: Entries of ``cases.json``.
        homes: What each patient was given.
    """
    series, cases = list(series), list(cases)
    modalities = sorted({str(one["modality"]) for one in (*series, *cases)})
    made = []
    for modality in modalities:
        status = Counter(line["status"] for line in series if line["modality"] == modality)
        own = [case for case in cases if case["modality"] == modality]
        people = {str(case["patient"]) for case in own}
        made.append(
            Row(
                modality,
                found=status.total(),
                used=status["done"],
                failed=status["failed"],
                cases=len(own),
                slices=sum(int(case["shape"][0]) for case in own),
                patients=Counter(str(homes[patient]["split"]) for patient in people),
            )
        )
    return tuple(made)


def reasons(found: Scan, series: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, str], ...]:
    """How many files were left out for which reason, the most first."""
    told = Counter(left.reason for left in found.left_out)
    for line in series:
        if line["status"] == "failed":
            told[str(line["reason"])] += int(line["inputs"])
    return tuple((count, reason) for reason, count in told.most_common())


def write_table(
    out: Path, series: Iterable[Mapping[str, Any]], cases: Iterable[Mapping[str, Any]]
) -> None:
    """Write what became of each series of the archive, by keyed hash.

    Raises:
        WriteError: It cannot be written.
    """
    splits = {str(case["case"]): str(case["split"]) for case in cases}
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for line in sorted(series, key=lambda line: (line["modality"], line["label"] or "")):
        own = line.get("cases", ()) if line["status"] == "done" else ()
        table.writerow(
            [
                line["label"],
                line["modality"],
                line["status"],
                line["reason"] or "",
                line["inputs"],
                len(own),
                sum(int(case["shape"][0]) for case in own),
                " ".join(sorted({splits[case["case"]] for case in own})),
            ]
        )
    write_whole(out / RUN_FOLDER / TABLE, text.getvalue().encode())


def picture(out: Path, made: Sequence[Made]) -> None:
    """Keep a small picture of each stack that was made.

    Raises:
        WriteError: It cannot be written.
    """
    folder = out / RUN_FOLDER / PICTURES
    with cannot_write(folder):
        make_folder(folder)
        for one in made:
            entry = one.entry
            drawn = thumbnail(one.middle, entry["affine"], entry["modality"], entry["scale"])
            save_thumbnail(drawn, folder / f"{entry['case']}.png")


def draw(out: Path, cases: Sequence[Mapping[str, Any]]) -> None:
    """Draw the contact sheet.

    Raises:
        WriteError: It cannot be written.
    """
    folder = out / RUN_FOLDER
    with cannot_write(folder / SHEET):
        contact_sheet(cases, folder / PICTURES, folder / SHEET)
