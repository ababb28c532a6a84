"""``hilum serve``."""

from __future__ import annotations

import typer

from hilum.cli.options import Config, config_path


def command(config: Config = None) -> None:
    """Run the gateway until it is told to stop.

    Ctrl-C or SIGTERM ends it in good order; SIGHUP, or a change of the file, makes it read the configuration again.
    The log goes to standard error: for people on a terminal, as JSON elsewhere (HILUM_LOG=console or json;
    HILUM_LOG_LEVEL=debug, info, warning or error).
    """
    from hilum.observe import log
    from hilum.serve import run

    log.configure()
    raise typer.Exit(run(config_path(config)))
