"""What a run would find in an output folder, without writing anything there."""

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medclean.archive.runs.folder import RUN_FOLDER, digest, refuse_repinned
from medclean.archive.runs.lock import refuse_held
from medclean.archive.runs.secret import label
from medclean.archive.runs.shard import Division, Shard
from medclean.archive.runs.start import NO_DEFAULTS, Settings, refuse_other, work_of
from medclean.archive.runs.state import State
from medclean.errors import Exit


class Peek:
    """Looks where ``open_run`` would work; the folder need not exist.

    Args:
        out: The output folder.
        command: As for ``open_run``, and so are the others.
        settings: What the folder belongs to.
        defaults: Of settings.
        shard: Which part of the job to do; None is all.
        overwrite: Nothing counts as done.

    Raises:
        UsageError: The folder belongs to another command or to other settings.
        WriteError: A running job holds it.
        OSError: Its record cannot be read.
    """

    def __init__(
        self,
        out: Path,
        *,
        command: str,
        settings: Settings,
        defaults: Mapping[str, Any] = NO_DEFAULTS,
        shard: Shard | None,
        overwrite: bool,
    ) -> None:
        self.out, self.shard, self._overwrite = out, shard, overwrite
        asked = digest({"command": command, "settings": settings})
        refuse_held(out / RUN_FOLDER, shard, asked, os.environ)
        self._state, self._division = State.read(out / RUN_FOLDER), Division(shard)
        if self._state.run:
            refuse_other(out, self._state.run, command)
        self._work = work_of(out, self._state, asked, settings, defaults, overwrite=overwrite)
        if overwrite:
            self._state.redo()

    def divide(self, keys: Collection[str]) -> None:
        """Deal out the eligible series, as the first shard did or would."""
        order = sorted(keys)
        if self.shard:
            with suppress(FileNotFoundError):
                path = self.out / RUN_FOLDER / f"shards-of-{self.shard.of}.json"
                order = json.loads(path.read_bytes())["series"]
        self._division = Division(self.shard, order)

    def owns(self, key: str) -> bool:
        """Whether a series, or by its path a file that belongs to none, is this shard's to do."""
        return self._division.owns(key)

    def done(self, key: str, sources: str) -> Exit | None:
        """What is wrong with a series that was done, DONE if nothing; None where it is to be done.

        Its outputs have their names; a run looks at their hashes too.

        Args:
            key: Of the series, or of files that are copied.
            sources: Its fingerprint now.
        """
        known = self._state.series.get(key)
        if not known or (known.status, known.work, known.sources) != ("done", self._work, sources):
            return None
        return known.exit if all((self.out / path).is_file() for path in known.files) else None

    def crossed(self, key: str, sources: str) -> str | None:
        """Why a limit kept a series from being written before, so that it would again."""
        known = self._state.series.get(key)
        same = known and (known.work, known.sources) == (self._work, sources)
        return known.crossed if known and same else None

    def pin(self, name: str, value: Any) -> None:
        """Nothing, if a run could pin this.

        Raises:
            UsageError: An earlier start in this folder had another value.
        """
        if not self._overwrite:
            refuse_repinned(self.out, self._state.pinned, name, value)

    def label(self, key: str) -> str | None:
        """How reports name a series, if the folder has its key already and it is ours to read."""
        with suppress(OSError):
            return label((self.out / RUN_FOLDER / "secret").read_bytes().rstrip(), key)
        return None
