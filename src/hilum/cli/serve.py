"""``hilum serve``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.exit import UsageError
from hilum.cli.options import Config, config_path
from hilum.errors import PermanentError

Roles = Annotated[
    str | None,
    typer.Option(
        "--roles",
        metavar="ROLE,...",
        envvar="HILUM_ROLES",
        show_default=False,
        show_envvar=False,
        help="What this gateway does of receive, group, run, deliver, notify, housekeep, web; other gateways of the "
        "ledger do the rest. Default: $HILUM_ROLES, or everything.",
    ),
]


def command(config: Config = None, roles: Roles = None) -> None:
    """Run the gateway until it is told to stop.

    Ctrl-C or SIGTERM ends it in good order, a second one at once; SIGHUP, or a change of the file, makes it read the
    configuration again. The log goes to standard error: for people on a terminal, as JSON elsewhere (HILUM_LOG=console
    or json; HILUM_LOG_LEVEL=debug, info, warning or error).
    """
    from hilum.observe import log
    from hilum.serve import roles as known
    from hilum.serve import run

    log.configure()
    try:
        chosen = known.parse(roles) if roles else known.ALL
    except PermanentError as error:
        raise UsageError(str(error)) from None
    raise typer.Exit(run(config_path(config), roles=chosen))
