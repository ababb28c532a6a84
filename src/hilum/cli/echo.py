"""``hilum echo``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AcseTimeout, AsJson, Call, Config, ConnectTimeout, DimseTimeout, OwnTitle


def command(
    peer: Annotated[list[str], typer.Argument(metavar="PEER", hidden=True)],
    *,
    call: Call = None,
    aetitle: OwnTitle = None,
    connect: ConnectTimeout = 10,
    acse: AcseTimeout = 30,
    dimse: DimseTimeout = 60,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask a peer for a C-ECHO: is it there, and does it know us?

    PEER is AET@host:port, or host and port, or the name of a destination in the configuration. IPv6 addresses stand in
    brackets.
    """
    from hilum import words
    from hilum.association.probe import probe
    from hilum.cli import output
    from hilum.cli.directory import look_up
    from hilum.cli.exit import FailedError, UsageError, complain
    from hilum.cli.peer import find
    from hilum.cli.probe import code, document
    from hilum.cli.span import requestor_timeouts

    found = find(peer, call=call, own=aetitle, directory=look_up(config))
    if found.rest:
        raise UsageError(f"{found.rest[0]!r} is one word too many after the peer")
    timeouts = requestor_timeouts(connect, acse, dimse)
    result = probe(found.peer, found.calling, timeouts)
    if as_json:
        output.emit({"peer": found.peer, "calling": found.calling, **document(result)})
    elif result.answered:
        assert result.echo is not None
        assert result.association is not None
        output.say(
            f"{found.peer} {result.found}, in {words.duration(result.echo)} "
            f"(association {words.duration(result.association)}, called by {found.calling})"
        )
    else:
        complain(f"{found.peer}: {result.found}")
        if result.remedy:
            complain(result.remedy)
    if failed := code(result):
        raise FailedError(failed)
