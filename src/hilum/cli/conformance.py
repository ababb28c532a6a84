"""``hilum conformance``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """How the statement is printed."""

    MARKDOWN = "md"
    JSON = "json"


def command(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", show_default=False, help="Whose values to tell. Default: the defaults."
        ),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Markdown, or JSON for programs.")] = Form.MARKDOWN,
) -> None:
    """Print the DICOM conformance statement.

    Made from the program itself and, with --config, from what is configured; laid out as PS3.2 has it.
    """
    from hilum import config as configuration
    from hilum.cli import output
    from hilum.cli.statement.markdown import markdown
    from hilum.cli.statement.tree import tree
    from hilum.cli.statement.whole import statement_of

    settings = configuration.Settings() if config is None else configuration.load(config)
    statement = statement_of(settings, config)
    if form is Form.JSON:
        output.emit(tree(statement))
    else:
        sys.stdout.write(markdown(statement))
