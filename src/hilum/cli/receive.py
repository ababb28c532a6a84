"""``hilum receive``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson

if TYPE_CHECKING:
    from hilum.association.server import Server
    from hilum.cli.receive_log import Narrator


def command(
    port: Annotated[
        int, typer.Argument(metavar="PORT", min=0, max=65535, show_default=False, help="TCP port; 0 = any free one.")
    ],
    *,
    folder: Annotated[
        Path, typer.Option("-od", "--output-directory", metavar="FOLDER", help="Where files go; made if absent.")
    ] = Path(),
    aetitle: Annotated[
        list[str] | None,
        typer.Option(
            "-aet", "--aetitle", metavar="TITLE", show_default=False, help="Answer to this AE title only; repeatable."
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help='"::" = IPv4 and IPv6.')] = "0.0.0.0",  # noqa: S104
    pdu: Annotated[
        int, typer.Option("-pdu", "--max-pdu", metavar="BYTES", min=4096, max=1_048_576, help="Longest PDU taken.")
    ] = 131_072,
    acse: Annotated[
        float, typer.Option("-ta", "--acse-timeout", metavar="SECONDS", help="For an association request.")
    ] = 30,
    dimse: Annotated[
        float, typer.Option("-td", "--dimse-timeout", metavar="SECONDS", help="For the next request.")
    ] = 300,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each instance.")] = False,
    as_json: AsJson = False,
) -> None:
    """Receive instances into a folder: a storage SCP for tests.

    Anybody may send, under any AE titles. Each instance becomes <SOP Instance UID>.dcm; one that comes again replaces
    it. Ctrl-C or SIGTERM ends it. With --json every event is one line.
    """
    from hilum.association.admission import AdmissionRules
    from hilum.association.server import Server
    from hilum.association.settings import AcceptorSettings
    from hilum.cli.peer import title
    from hilum.cli.receive_log import Narrator
    from hilum.cli.receive_sink import FolderReceiver
    from hilum.cli.span import span
    from hilum.clock import utc_now
    from hilum.errors import PermanentError
    from hilum.wire import NegotiationPolicy

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    titles = frozenset(title(text, "-aet") for text in aetitle or ())
    settings = AcceptorSettings(
        rules=AdmissionRules(called=titles or None, sources=(), reject_unknown_sources=False, max_associations=1000),
        negotiation=NegotiationPolicy(verification=True),
        max_pdu_length=pdu,
        artim=span(acse, "-ta"),
        idle=span(dimse, "-td"),
    )
    tell = Narrator(folder, verbose=verbose, as_json=as_json)
    server = Server(
        host,
        port,
        settings=lambda: settings,
        receiver=FolderReceiver(folder=folder, clock=utc_now, stored=tell.stored),
        observer=tell.happened,
    )
    _serve_until_told(server, host, tell)


def _serve_until_told(server: Server, host: str, tell: Narrator) -> None:
    import signal

    ends = {signal.SIGTERM, signal.SIGINT}
    # Before the first thread, which inherits it: the signals wait until they are asked for below.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    tell.listening(host, server.start())
    signal.sigwait(ends)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)  # a second Ctrl-C is for those who do not want to wait
    server.stop(timedelta(seconds=2))
    tell.ended()
