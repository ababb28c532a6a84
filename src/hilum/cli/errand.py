"""What ``hilum send`` does.

Sending a study takes less time than loading the libraries of the other commands would. So this imports what every
sending needs, and the rest where it is needed: the configuration for the name of a destination, words and tables for
who wants to read something.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hilum.cli.exit import UsageError
from hilum.cli.outbox import Outgoing, Skipped, examine, files_in
from hilum.cli.peer import find
from hilum.cli.sending import Report, Sender
from hilum.cli.span import requestor_timeouts

if TYPE_CHECKING:
    from hilum.association.peer import Peer
    from hilum.cli.progress import Progress
    from hilum.cli.sending import Outcome
    from hilum.model import AETitle

#: Of small files so much is kept from looking into them until they are sent.
_KEPT_BYTES: Final = 64 * 1024 * 1024


def run(
    words: Sequence[str],
    *,
    call: str | None = None,
    aetitle: str | None = None,
    associations: int = 1,
    connect: float = 10,
    acse: float = 30,
    dimse: float = 60,
    verbose: bool = False,
    quiet: bool = False,
    config: Path | None = None,
    as_json: bool = False,
) -> None:
    """Send; arguments as the options of the command, in seconds where they are times.

    Raises:
        FailedError: The peer does not have everything, or there was nothing.
        UsageError: The words or options mean nothing.
    """

    def directory(name: str) -> tuple[Peer, AETitle] | None:
        from hilum.cli.directory import look_up

        return look_up(config)(name)

    found = find(words, call=call, own=aetitle, directory=directory)
    if not found.rest:
        raise UsageError("nothing to send: name files or folders after the peer")
    timeouts = requestor_timeouts(connect, acse, dimse)
    with _progress(shown=not (as_json or quiet), verbose=verbose) as progress:
        outgoing, skipped = _look_into(found.rest, progress)
        progress.begin(len(outgoing), sum(file.length for file in outgoing))
        sender = Sender(found.peer, found.calling, timeouts, associations=associations, told=progress.sent)
        report = _send(sender, outgoing)
    if quiet and not as_json and report.complete and not any(one.damaged for one in skipped):
        return
    from hilum.cli import send_report

    send_report.tell(found, report, skipped, as_json=as_json, quiet=quiet)


def _look_into(paths: Sequence[str], progress: Progress | _Silence) -> tuple[list[Outgoing], list[Skipped]]:
    """All files before the first is sent: an association proposes at its beginning whatever it will carry."""
    outgoing: list[Outgoing] = []
    skipped: list[Skipped] = []
    kept = 0
    for number, path in enumerate(files_in(paths), start=1):
        found = examine(path, keep=_KEPT_BYTES - kept)
        if isinstance(found, Outgoing):
            outgoing.append(found)
            kept += len(found.content or b"")
        else:
            skipped.append(found)
        progress.looked_into(number)
    return outgoing, skipped


def _send(sender: Sender, outgoing: Sequence[Outgoing]) -> Report:
    """Send in another thread, so that this one can be interrupted; what was accepted by then is told all the same."""
    reports: list[Report] = []
    going = threading.Thread(target=lambda: reports.append(sender.run(outgoing)), name="send")
    going.start()
    try:
        going.join()
    except KeyboardInterrupt:
        sender.interrupt()
        going.join()
    return reports[0]


class _Silence:
    """Progress that nobody wants to see."""

    def __enter__(self) -> _Silence:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def looked_into(self, count: int) -> None:
        pass

    def begin(self, files: int, size: int) -> None:
        pass

    def sent(self, outcome: Outcome) -> None:
        pass


def _progress(*, shown: bool, verbose: bool) -> Progress | _Silence:
    if not (shown or verbose):
        return _Silence()
    from hilum.cli.progress import Progress

    return Progress(shown=shown, verbose=verbose)
