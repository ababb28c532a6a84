"""``hilum send``; what it does is in ``errand``, where no library has to be loaded first."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AcseTimeout, AsJson, Call, Config, ConnectTimeout, DimseTimeout, OwnTitle


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
    from hilum.cli import errand

    errand.run(
        words,
        call=call,
        aetitle=aetitle,
        associations=associations,
        connect=connect,
        acse=acse,
        dimse=dimse,
        verbose=verbose,
        quiet=quiet,
        config=config,
        as_json=as_json,
    )
