"""The record of a run: journal, manifest, lock, shard, tally."""

from medclean.archive.runs.folder import RUN_FOLDER, default_out, refuse_overlap
from medclean.archive.runs.peek import Peek
from medclean.archive.runs.run import Run
from medclean.archive.runs.secret import key_outside, label, read_key
from medclean.archive.runs.shard import Shard, unsharded
from medclean.archive.runs.start import open_run
from medclean.archive.runs.tally import Tally

__all__ = [
    "RUN_FOLDER",
    "Peek",
    "Run",
    "Shard",
    "Tally",
    "default_out",
    "key_outside",
    "label",
    "open_run",
    "read_key",
    "refuse_overlap",
    "unsharded",
]
