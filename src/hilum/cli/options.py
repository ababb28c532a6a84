"""Options that several commands share, each with one name and one meaning everywhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hilum.association.settings import RequestorTimeouts

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", show_default=False, help="Configuration. Default: $HILUM_CONFIG, or app.yaml."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Call = Annotated[
    str | None,
    typer.Option(
        "-aec", "--call", metavar="TITLE", show_default=False, help="Called AE title, the peer's. Default: ANY-SCP."
    ),
]
OwnTitle = Annotated[
    str | None,
    typer.Option(
        "-aet", "--aetitle", metavar="TITLE", show_default=False, help="Calling AE title, our own. Default: HILUM."
    ),
]
AcseTimeout = Annotated[
    float,
    typer.Option("-ta", "--acse-timeout", metavar="SECONDS", help="For the answer to the association request."),
]
DimseTimeout = Annotated[
    float, typer.Option("-td", "--dimse-timeout", metavar="SECONDS", help="For the answer to each other request.")
]
ConnectTimeout = Annotated[float, typer.Option("-to", "--timeout", metavar="SECONDS", help="For the TCP connection.")]


def requestor_timeouts(connect: float, acse: float, dimse: float) -> RequestorTimeouts:
    """The options of a command that opens associations, in seconds.

    Raises:
        UsageError: One of them is no time to wait.
    """
    from hilum.association.settings import RequestorTimeouts

    return RequestorTimeouts(connect=span(connect, "-to"), association=span(acse, "-ta"), dimse=span(dimse, "-td"))


def span(seconds: float, option: str) -> timedelta:
    """A time to wait.

    Raises:
        UsageError: It is none.
    """
    from hilum.cli.exit import UsageError

    if not 0 < seconds <= 1_000_000:
        raise UsageError(f"{option} {seconds:g}: expected seconds to wait, more than 0")
    return timedelta(seconds=seconds)


def config_path(given: Path | None) -> Path:
    """The configuration file that is meant."""
    return given or Path(os.environ.get("HILUM_CONFIG") or "app.yaml")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was given to a command that has commands of its own: it holds for them too."""

    config: Path | None = None
    as_json: bool = False


def chosen(context: typer.Context, config: Path | None, as_json: bool) -> Chosen:
    """The options of a command, completed by those of the command above it."""
    above = context.obj if isinstance(context.obj, Chosen) else Chosen()
    return Chosen(config or above.config, as_json or above.as_json)
