"""What is written down about an attempt on a cluster, in ``<job folder>/run/<attempt>/``.

==================== ==================================================================================================
``ray.json``         Ray has it: since when, since when it runs, why Hilum has it stopped.
``cancel``           Somebody wants the attempt ended. Once it is there, the command is not started any more.
``exit.json``        How it ended; written once. Once it is there, the command is not started any more.
``log.txt``          The end of what the command wrote, fetched when it had ended.
``output/``          Where the command puts its results. Those of a success are moved to the job's ``output/``; those of
                     any other attempt stay here, and whatever of it may still run on a node that was cut off writes
                     where nobody looks.
==================== ==================================================================================================

Any gateway that shares the folder may read and write them; the file that is there first counts.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from hilum.engine import attempt as on_disk
from hilum.engine.port import Phase, Run, Status
from hilum.engine.ray.policy import Ended, Record

_RECORD: Final = "ray.json"
#: How ``exit.json`` calls an attempt that the cluster has forgotten.
_LOST: Final = "lost"


class Attempt:
    """The records of one attempt."""

    def __init__(self, run: Run) -> None:
        self._job = run.folder
        self.folder = run.folder / "run" / str(run.attempt)
        self.output = self.folder / "output"

    def make(self) -> None:
        """Make the folders; the job's own has to be there. What another engine left in its output is put aside.

        Raises:
            OSError: They cannot be made.
        """
        self.folder.parent.mkdir(exist_ok=True)
        try:
            self.folder.mkdir()
        except FileExistsError:
            pass
        else:
            self._put_aside()
        self.output.mkdir(exist_ok=True)
        on_disk.sync(os.fspath(self.folder))

    def _put_aside(self) -> None:
        target = self._job / "output"
        if target.is_dir() and any(target.iterdir()):
            target.rename(self.folder / "output.before")
            target.mkdir()

    @property
    def cancelled(self) -> bool:
        """Somebody wants it ended."""
        return os.path.lexists(self.folder / on_disk.CANCEL)

    @property
    def over(self) -> bool:
        """Its end is written down."""
        return os.path.lexists(self.folder / on_disk.EXIT)

    def ask_to_end(self) -> None:
        """Write down that it is to end.

        Raises:
            OSError: It cannot be written.
        """
        if not self.cancelled:
            on_disk.write_file(os.fspath(self.folder), on_disk.CANCEL, on_disk.utc_text() + "\n")

    def record(self) -> Record | None:
        """What is known of it; ``None``: Ray was never seen to have it.

        Raises:
            OSError: It cannot be read.
        """
        found = on_disk.read_record(os.fspath(self.folder), _RECORD)
        if found is None:
            return None
        accepted, running, stopping = (found.get(name) for name in ("accepted_at", "running_at", "stopping"))
        return Record(
            accepted_at=float(accepted) if isinstance(accepted, int | float) else 0.0,
            running_at=float(running) if isinstance(running, int | float) else None,
            stopping=stopping if isinstance(stopping, str) else "",
        )

    def note(self, record: Record) -> None:
        """Write down what is known of it.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(
            {"accepted_at": record.accepted_at, "running_at": record.running_at, "stopping": record.stopping}, indent=1
        )
        on_disk.write_file(os.fspath(self.folder), _RECORD, text + "\n")

    def keep_log(self, data: bytes) -> None:
        """Write down the end of its log.

        Raises:
            OSError: It cannot be written.
        """
        (self.folder / on_disk.LOG).write_bytes(data)

    def log(self) -> bytes | None:
        """The end of its log, if it was written down."""
        try:
            return (self.folder / on_disk.LOG).read_bytes()
        except OSError:
            return None

    def settle(self, ended: Ended) -> None:
        """Write down how it ended, unless that is written already.

        Raises:
            OSError: It cannot be written.
        """
        if ended.phase is Phase.SUCCEEDED and not self.output.is_dir():
            ended = replace(ended, phase=Phase.FAILED, why="the command removed the folder for its results")
        if not self.over:
            reason = _LOST if ended.phase is Phase.LOST else "finished"
            text = on_disk.exit_record(reason, ended.why, exit_code=ended.exit_code)
            on_disk.write_file(os.fspath(self.folder), on_disk.EXIT, text)

    def end(self) -> Status | None:
        """How it ended; ``None`` when that is not written down.

        Raises:
            OSError: It cannot be read.
        """
        record = on_disk.read_record(os.fspath(self.folder), on_disk.EXIT)
        if record is None:
            return None
        if not record:
            return Status(phase=Phase.LOST, reason=f"{self.folder / on_disk.EXIT} is damaged")
        message, exit_code = str(record.get("message", "")), record.get("exit_code")
        code = exit_code if isinstance(exit_code, int) else None
        if not message:
            return Status(phase=Phase.SUCCEEDED, exit_code=code)
        phase = Phase.LOST if record.get("reason") == _LOST else Phase.FAILED
        return Status(phase=phase, reason=message, exit_code=code)

    def hand_over(self) -> None:
        """Make the attempt's output that of the job, with ``job.done``, durably; what is done of that is not repeated.

        Raises:
            OSError: It cannot be done, or there is something else in the job's output.
        """
        on_disk.sync_tree(os.fspath(self.output))
        # An empty folder gives way; when there is nothing to move any more, it was moved before.
        with suppress(FileNotFoundError):
            self.output.rename(self._job / "output")
        on_disk.sync(os.fspath(self._job))
        on_disk.sync(os.fspath(self.folder))
        on_disk.mark_done(os.fspath(self._job))


def moved(folder: Path, here: Path, there: Path | None) -> Path:
    """A folder as the nodes of the cluster see it.

    Args:
        here: A folder of this machine that they see elsewhere.
        there: Where; ``None``: in the same place.
    """
    if there is None or not folder.is_relative_to(here):
        return folder
    return there / folder.relative_to(here)
