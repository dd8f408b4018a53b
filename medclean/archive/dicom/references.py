"""Which images a derived one refers to (PS3.3 C.7.6.1.1.4 and C.12.2)."""

from collections.abc import Collection, Sequence

from medclean.archive.derivation import Code
from medclean.archive.dicom.codes import code_item
from medclean.archive.dicom.elements import Changes, Elements, Item
from medclean.archive.dicom.plan import Located, Source
from medclean.archive.series import Series

PURPOSE = Code("121322", "DCM", "Source image for image processing operation")
Tree = dict[str, dict[str, dict[str, str]]]  # SOP Class UID by study, series and instance


def references(
    source: Elements,
    series: Series,
    sources: Sequence[Source],
    located: Located,
    *,
    dropped: Collection[str] = (),
) -> Changes:
    """Source Image Sequence, replaced, and where all referenced instances are to be found.

    Referenced Image Sequence is kept. What it names is found by ``located``, or by what the source
    itself says about the whereabouts of its references.

    Args:
        source: The source's data set.
        series: The source series.
        sources: The images that this one was computed from.
        located: Study and series of instances elsewhere, by SOP Instance UID.
        dropped: SOP Instance UIDs that the source refers to, and the derived object does not.
    """
    tree = _stated(source, series.study_uid, dropped)
    for image in sources:
        where = image.series_uid or series.series_uid
        place(tree, series.study_uid, where, image.uid, image.sop_class)
    for item in source.items("ReferencedImageSequence"):
        uid = item.text("ReferencedSOPInstanceUID")
        if uid in located:
            place(tree, *located[uid], uid, item.text("ReferencedSOPClassUID"))
    here = series_items(tree.pop(series.study_uid))
    elsewhere: list[Item] = [
        {"StudyInstanceUID": study, "ReferencedSeriesSequence": series_items(found)}
        for study, found in tree.items()
    ]
    return {
        "SourceImageSequence": [source_item(image) for image in sources],
        "ReferencedSeriesSequence": here,
        "StudiesContainingOtherReferencedInstancesSequence": elsewhere or None,
    }


def source_item(image: Source) -> Item:
    """An image that another was computed from (PS3.3 10.3, C.7.6.1.1.4)."""
    frames = {"ReferencedFrameNumber": "\\".join(map(str, image.frames))} if image.frames else {}
    return {
        "ReferencedSOPClassUID": image.sop_class,
        "ReferencedSOPInstanceUID": image.uid,
        **frames,
        "SpatialLocationsPreserved": "YES",
        "PurposeOfReferenceCodeSequence": [code_item(PURPOSE)],
    }


def _stated(source: Elements, study: str, dropped: Collection[str]) -> Tree:
    """What the source says about the whereabouts of its references."""
    others = source.items("StudiesContainingOtherReferencedInstancesSequence")
    tree: Tree = {study: {}}
    for where, level in [
        (study, source),
        *((item.text("StudyInstanceUID"), item) for item in others),
    ]:
        for series in level.items("ReferencedSeriesSequence"):
            for item in series.items("ReferencedInstanceSequence"):
                uid, sop_class = (
                    item.text("ReferencedSOPInstanceUID"),
                    item.text("ReferencedSOPClassUID"),
                )
                if uid not in dropped:
                    place(tree, where, series.text("SeriesInstanceUID"), uid, sop_class)
    return tree


def place(tree: Tree, study: str, series: str, uid: str, sop_class: str) -> None:
    """Add an instance."""
    tree.setdefault(study, {}).setdefault(series, {})[uid] = sop_class


def series_items(
    found: dict[str, dict[str, str]], instances: str = "ReferencedInstanceSequence"
) -> list[Item]:
    """Series and their instances as items of Referenced Series Sequence, which differs by place."""
    return [
        {
            "SeriesInstanceUID": series,
            instances: [
                {"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": uid}
                for uid, sop_class in known.items()
            ],
        }
        for series, known in found.items()
    ]
