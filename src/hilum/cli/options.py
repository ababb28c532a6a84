"""Options that several commands share, each with one name and one meaning everywhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

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
