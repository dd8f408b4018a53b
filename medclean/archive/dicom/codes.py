"""Coded terms as items of sequences (PS3.3 8.8)."""

from medclean.archive.derivation import Code
from medclean.archive.dicom.elements import Item


def code_item(code: Code) -> Item:
    """A term as an item of a code sequence."""
    return {
        "CodeValue": code.value,
        "CodingSchemeDesignator": code.scheme,
        "CodeMeaning": code.meaning,
    }
