"""Which DICOM files of a tree can be denoised, and the series that they make."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from medclean.archive.dicom import mosaic
from medclean.archive.dicom.grouping import groups
from medclean.archive.dicom.headers import Header, read_headers
from medclean.archive.dicom.kinds import bareness, choose, modality_of, unit_of
from medclean.archive.dicom.uids import hashed_uid
from medclean.archive.looking import looked_at
from medclean.archive.selection import EVERYTHING, Selection
from medclean.archive.series import Instance, LeftOut, Scan, Series, Subject, key_of
from medclean.archive.workers import Workers

Uids: TypeAlias = tuple[str, str]  # Study and Series Instance UID

_LAST_NUMBER = (1 << 31) - 1  # of an IS


def scan(
    root: Path,
    paths: Iterable[str],
    workers: Workers,
    *,
    include: Collection[str] = (),
    selection: Selection = EVERYTHING,
    progress: Callable[[int], object] = lambda files: None,
) -> Scan:
    """Read the headers of files, and make series of those that are images to be denoised.

    Args:
        root: What the paths are relative to.
        paths: Regular files of any kind, with ``/``, sorted.
        workers: Read the headers.
        include: Kinds that are let in, of those that are skipped else; ``"all"`` for each.
        selection: Which of the images are asked for.
        progress: Called with the number of files that were looked at since.
    """
    headers: list[Header] = []
    left_out: list[LeftOut] = []
    look = partial(read_headers, root, selection=selection)
    for found in looked_at(look, paths, workers, progress):
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            headers.append(found)
    (numbers, residuals), compared = _derived_numbers(headers), _in_vendor_units(headers)
    members: dict[Uids, list[tuple[Header, Instance]]] = defaultdict(list)
    located: dict[str, Uids] = {}
    for header, occurrence in zip(headers, _occurrences(headers), strict=True):
        kind, why_not, passed = choose(header, include)
        uids = uids_of(header)
        if kind == "localizer":
            located[header.uid] = uids
        if why_not:
            left_out.append(LeftOut(header.path, "skipped", why_not))
            continue
        instance = Instance(
            path=header.path,
            frames=_frames(header),
            bytes=header.bytes,
            uid=header.uid,
            sop_class=header.sop_class,
            kind=kind,
            occurrence=occurrence,
            passed=passed or tuple(range(header.tiles, _frames(header) if header.tiles else 0)),
            tiles=header.tiles,
            bare=bareness(header),
            repaired=header.repaired,
            vendor_units=uids in compared,
            notes=header.notes,
        )
        members[uids].append((header, instance))
    series: list[Series] = []
    for uids, files in members.items():
        deselected = {n: header.deselected for n, (header, _) in enumerate(files)}
        deselected = {n: reason for n, reason in deselected.items() if reason}
        left_out += (LeftOut(files[n][0].path, "skipped", why) for n, why in deselected.items())
        if len(deselected) == len(files):
            continue
        whole = replace(
            _series(uids, files),
            derived_number=numbers.get(uids),
            residual_number=residuals.get(uids),
        )
        series.append(whole.without(deselected))  # grouped whole: none is missing
    return Scan(tuple(series), tuple(left_out), located)


def uids_of(header: Header) -> Uids:
    """Study and Series Instance UID; made where one is empty, alike for alike context (1.2)."""
    study = header.study_uid or hashed_uid(("medclean-study-1", header.context))
    series = header.series_uid or hashed_uid(("medclean-series-1", study, header.context))
    return study, series


def _frames(header: Header) -> int:
    """Images of a file; where it is broken, what it claims is not to be believed."""
    if header.broken:
        return 1
    return mosaic.side(header.tiles) ** 2 if header.tiles else header.frames


def _occurrences(headers: Iterable[Header]) -> Iterator[int]:
    """How many files before have the same SOP Instance UID."""
    seen: Counter[str] = Counter()
    for header in headers:
        yield seen[header.uid]
        seen[header.uid] += 1


def _derived_numbers(headers: Iterable[Header]) -> list[dict[Uids, int]]:
    """Series Numbers for derived series, and for their residuals, of all series that have one.

    They are source + 1000 k. k is the smallest from 1 on that gives a number which no series of the
    study has: first for all derived series in order of Series Instance UID, then for all residuals;
    whether or not a series is selected, or residuals are asked for, so that neither changes one.
    """
    sources: dict[Uids, int] = {}
    taken: dict[str, set[int]] = defaultdict(set)
    for header in headers:
        if header.series_number is not None:
            uids = uids_of(header)
            sources.setdefault(uids, header.series_number)
            taken[uids[0]].add(header.series_number)
    derived: list[dict[Uids, int]] = [{}, {}]
    for numbers in derived:
        for uids in sorted(sources):
            others = taken[uids[0]]
            free = (n for n in range(sources[uids] + 1000, _LAST_NUMBER, 1000) if n not in others)
            number = next(free, None)
            if number is not None:
                numbers[uids] = number
                others.add(number)
    return derived


def _in_vendor_units(headers: Iterable[Header]) -> set[Uids]:
    """MR series whose images have several scale slopes, so that only DV / (RS x SS) compares."""
    scales: dict[Uids, set[float | None]] = defaultdict(set)
    for header in headers:
        if modality_of(header) == "MR" and header.pixels:
            scales[uids_of(header)] |= {image.vendor_scale for image in header.images} or {
                header.vendor_scale
            }
    return {uids for uids, found in scales.items() if len(found) > 1 and None not in found}


def _beside(modality: str, header: Header, instance: Instance) -> Instance:
    """A file of a series of a modality, whose unit and scale are not those of another."""
    own = modality_of(header)
    other = f"{own} in a series of {modality}" if own and own != modality else ""
    return replace(instance, bare=instance.bare or other)


def _series(uids: Uids, files: list[tuple[Header, Instance]]) -> Series:
    headers, instances = tuple(zip(*files, strict=True))
    model = next((header for header in headers if modality_of(header)), headers[0])
    numbers = (header.series_number for header in headers)
    instances = tuple(map(partial(_beside, modality_of(model)), headers, instances))
    arranged, notes = groups(instances, headers)
    return Series(
        key=key_of(("dicom", *uids)),
        format="dicom",
        modality=modality_of(model),
        unit=unit_of(model),
        instances=instances,
        groups=arranged,
        study_uid=uids[0],
        series_uid=uids[1],
        number=next((number for number in numbers if number is not None), None),
        notes=notes,
        subject=Subject(
            tuple(sorted({header.patient for header in headers})),
            any(header.burned_in for header in headers),
            any(header.face for header in headers),
        ),
    )
