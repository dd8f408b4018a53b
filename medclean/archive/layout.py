"""What is made of each file of a study, and where it lies in the output folder.

Nothing else decides that: whoever needs the path of an output asks a Layout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from medclean.archive.derivation import Role
from medclean.archive.runs.folder import RUN_FOLDER
from medclean.errors import UsageError

Beside: TypeAlias = Literal["kspace", "mask"]


@dataclass(frozen=True)
class Layout:
    """The places of outputs.

    Attributes:
        roles: What is made of each file: the image, and what was removed from it if asked for.
    """

    roles: tuple[Role, ...] = ("image",)

    def path(self, source: str, role: Role = "image") -> str:
        """Where an output lies, relative to the output folder.

        Args:
            source: Path of a file of the study, or of what is copied with it, relative to the root.
            role: What is made of it.
        """
        return source if role == "image" else f"{role}/{source}"

    def beside(self, kind: Beside, series: str, what: str) -> str:
        """Where an array that goes with a series lies: beside the record of the run.

        Args:
            kind: What it is.
            series: Key of the series.
            what: Tells it from others of the series.
        """
        return f"{RUN_FOLDER}/{kind}-{series}-{what}.npy"

    def paths(self, source: str) -> tuple[str, ...]:
        """All that is made of one file."""
        return tuple(self.path(source, role) for role in self.roles)

    def refuse_clashes(self, sources: Iterable[str], copies: Iterable[str] = ()) -> None:
        """Nothing, as long as all outputs have places of their own.

        Args:
            sources: Paths of all files that outputs are made of.
            copies: Paths of all files that are copied as they are.

        Raises:
            UsageError: Two outputs would lie at one place, or one where another needs a folder.
        """
        files: dict[str, str] = {}
        folders: dict[str, str] = {}
        made = ((source, self.paths(source)) for source in sources)
        for source, paths in (*made, *((path, (path,)) for path in copies)):
            for path in paths:
                if path in files:
                    raise _clash(path, files[path], source)
                files[path] = source
                above = path.rpartition("/")[0]
                while above and above not in folders:
                    folders[above] = source
                    above = above.rpartition("/")[0]
        for path in sorted(files.keys() & folders.keys()):
            raise _clash(path, files[path], folders[path])


def _clash(path: str, one: str, other: str) -> UsageError:
    return UsageError(
        f"the outputs of {one} and {other} would both need {path}: the study has a folder or file "
        "of that name already; do it in a run of its own, or without --residual"
    )
