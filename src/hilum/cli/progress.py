"""The bar that ``hilum send`` shows on a terminal: how far, how fast, how long still."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from hilum import words
from hilum.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from hilum.cli.sending import Outcome

#: Seconds between two changes of what is shown.
_REFRESH: Final = 0.1


class Progress:
    """Shows the progress of one sending on standard error; used as a context manager.

    Args:
        shown: Show the bar, if standard error is a terminal.
        verbose: Also write a line for each file.
    """

    def __init__(self, *, shown: bool, verbose: bool) -> None:
        self._verbose = verbose
        self._bar = _bar() if shown and sys.stderr.isatty() else None
        self._task: TaskID | None = None
        self._began = self._drawn = 0.0
        self._files = self._done = self._bytes = 0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("Looking into files", total=None, count="", rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def looked_into(self, count: int) -> None:
        """So many files have been looked into."""
        self._show(count=str(count))

    def begin(self, files: int, size: int) -> None:
        """Sending starts.

        Args:
            size: Of all files, in bytes.
        """
        self._began = time.monotonic()
        self._files = files
        self._drawn = 0.0
        self._show(description="Sending", total=size, count=f"0/{files}")

    def sent(self, outcome: Outcome) -> None:
        """One more file is done with."""
        self._done += 1
        self._bytes += outcome.file.length
        seconds = time.monotonic() - self._began
        if self._verbose:
            self._say(outcome)
        if self._done == self._files:
            self._drawn = 0.0
        rate = f"{words.rate(self._bytes, seconds)} {self._done / max(seconds, 1e-6):.0f}/s"
        self._show(completed=self._bytes, count=f"{self._done}/{self._files}", rate=rate)

    def _say(self, outcome: Outcome) -> None:
        answer = outcome.answer
        said = outcome.why if answer is None else f"{words.status(answer.status)} {words.status_meaning(answer.status)}"
        if answer is not None and answer.comment:
            said += f" ({answer.comment})"
        line = words.printable(f"{outcome.file.path}: {said}")
        if self._bar is not None:
            self._bar.console.print(line, soft_wrap=True)
        else:
            print(line, file=sys.stderr)

    def _show(
        self,
        *,
        count: str,
        rate: str = "",
        description: str | None = None,
        total: float | None = None,
        completed: float | None = None,
    ) -> None:
        now = time.monotonic()
        if self._bar is None or self._task is None or now - self._drawn < _REFRESH:
            return
        self._drawn = now
        self._bar.update(self._task, description=description, total=total, completed=completed, count=count, rate=rate)


def _bar() -> Bar:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=None),
        progress.TextColumn("{task.fields[count]}", justify="right"),
        progress.TextColumn("{task.fields[rate]}", justify="right"),
        progress.TimeRemainingColumn(compact=True),
        console=output.console(sys.stderr),
        expand=True,
        transient=True,
    )
