"""``hilum ledger copy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, chosen, config_path


def command(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The ledger to be made: as ledger.url.")],
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="The ledger that is there; default: that of app.yaml.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy a ledger into an empty database, from SQLite to PostgreSQL or back, while no gateway runs on either.

    All of it is copied in one transaction, then counted on both sides. Ids stay as they are, and the old ledger is left
    as it was. Then name the new one in ledger.url and start the gateway.
    """
    from hilum import config as configuration
    from hilum import words
    from hilum.cli import output
    from hilum.cli.ledger import check_form, quiet
    from hilum.config.kinds import without_password
    from hilum.errors import PermanentError
    from hilum.ledger.copying import copy as copied
    from hilum.ledger.database import Database

    given = chosen(context, config, as_json)
    quiet()
    old = source or configuration.load(config_path(given.config)).ledger.url
    here, there = Database(_url(old)), Database(_url(to))
    try:
        if not here.exists():
            raise PermanentError(f"there is no ledger {here.name}")
        check_form(here)
        if not given.as_json:
            output.say(f"{without_password(old)} is copied to {without_password(to)}")
        found = copied(here, there, _told if not given.as_json else lambda _table, _rows: None)
    finally:
        here.close()
        there.close()
    if given.as_json:
        output.emit({"rows": found.rows, "received": found.sums.received})
        return
    rows = sum(found.rows.values())
    output.say(f"{words.count(rows, 'row')}; {words.count(found.sums.received, 'instance')}, the same on both sides")
    output.say("Set ledger.url to the new one, then start the gateway.")


def _url(text: str) -> str:
    """As a configuration in this folder would have it."""
    from pydantic import ValidationError

    from hilum.cli.exit import UsageError
    from hilum.config import Ledger

    try:
        return Ledger(url=text).beneath(Path.cwd()).url
    except ValidationError as error:
        # Its own text would quote what was given, password and all.
        raise UsageError(f"not the URL of a ledger: {error.errors()[0]['msg']}") from None


def _told(table: str, rows: int) -> None:
    from hilum.cli import output

    output.say(f"  {table}: {rows}")
