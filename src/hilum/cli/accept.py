"""``hilum accept``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hilum.ledger.shown import AssociationView


def command(
    association: Annotated[str | None, typer.Argument(metavar="[ASSOCIATION]", hidden=True)] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a held association as if it had been released.

    An association is held when it ended without a release. Accepted, its instances are grouped and its jobs start.
    ASSOCIATION is its id or the beginning of it; without it, those that are held are listed.
    """
    from hilum import orders, words
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views

    now = utc_now()
    with opened(config_path(config)) as office:
        if association is None:
            with office.database.read() as connection:
                held = views.held_associations(connection)
            if as_json:
                output.emit(held)
            else:
                print_held(held, now)
            return
        with office.database.write() as connection:
            found = orders.accept(connection, association, now)
        asleep = "" if office.running else " No gateway is running; it happens when one does."
    if as_json:
        output.emit({"association": found.id, "instances": found.instances})
    else:
        output.say(f"Accepted association {found.id} with {words.count(found.instances, 'instance')}.{asleep}")


def print_held(held: Sequence[AssociationView], now: datetime, *, indent: int = 0) -> None:
    """A table of held associations, each with the reason."""
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    if not held:
        output.say("No association is held.")
        return
    columns = (
        Column("ASSOCIATION", fixed=True),
        Column("FROM", fixed=True),
        Column("TO", fixed=True),
        Column("INSTANCES", right=True, fixed=True),
        Column("REMOVED", fixed=True),
    )
    rows = [(one.id, one.calling, one.called, str(one.instances), words.until(one.remove_at, now)) for one in held]
    output.table(columns, rows, indent=indent)
    for one in held:
        output.paragraph(f"{one.id}: {one.why}", indent=indent)
