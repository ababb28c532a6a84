"""``hilum send``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import (
    AcseTimeout,
    AsJson,
    Call,
    Config,
    ConnectTimeout,
    DimseTimeout,
    OwnTitle,
    requestor_timeouts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hilum.cli.outbox import Outgoing, Skipped
    from hilum.cli.progress import Progress
    from hilum.cli.sending import Report, Sender


def command(
    words: Annotated[list[str], typer.Argument(metavar="PEER FILE...", hidden=True)],
    *,
    call: Call = None,
    aetitle: OwnTitle = None,
    associations: Annotated[
        int, typer.Option("--associations", metavar="N", min=1, max=100, help="Send over so many at once.")
    ] = 1,
    connect: ConnectTimeout = 10,
    acse: AcseTimeout = 30,
    dimse: DimseTimeout = 60,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send DICOM files and folders, byte for byte as they are.

    PEER is AET@host:port, or host and port, or the name of a destination in the configuration. Files that are no DICOM
    are passed over. Ends with 0 only if the peer accepted every DICOM file.
    """
    from hilum.cli import send_report
    from hilum.cli.directory import look_up
    from hilum.cli.exit import UsageError
    from hilum.cli.peer import find
    from hilum.cli.progress import Progress
    from hilum.cli.sending import Sender

    found = find(words, call=call, own=aetitle, directory=look_up(config))
    if not found.rest:
        raise UsageError("nothing to send: name files or folders after the peer")
    timeouts = requestor_timeouts(connect, acse, dimse)
    with Progress(shown=not (as_json or quiet), verbose=verbose) as progress:
        outgoing, skipped = _look_into([Path(word) for word in found.rest], progress)
        progress.begin(len(outgoing), sum(file.length for file in outgoing))
        sender = Sender(found.peer, found.calling, timeouts, associations=associations, told=progress.sent)
        report = _run(sender, outgoing)
    send_report.tell(found, report, skipped, as_json=as_json, quiet=quiet)


def _look_into(paths: Sequence[Path], progress: Progress) -> tuple[list[Outgoing], list[Skipped]]:
    """All files before the first is sent: an association proposes at its beginning whatever it will carry."""
    from hilum.cli.outbox import Outgoing, examine, files_in

    outgoing: list[Outgoing] = []
    skipped: list[Skipped] = []
    for number, path in enumerate(files_in(paths), start=1):
        found = examine(path)
        if isinstance(found, Outgoing):
            outgoing.append(found)
        else:
            skipped.append(found)
        progress.looked_into(number)
    return outgoing, skipped


def _run(sender: Sender, outgoing: Sequence[Outgoing]) -> Report:
    """Send in another thread, so that this one can be interrupted; what was accepted by then is told all the same."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(sender.run, outgoing)
        try:
            return going.result()
        except KeyboardInterrupt:
            sender.interrupt()
            return going.result()
