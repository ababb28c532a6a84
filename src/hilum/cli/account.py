"""``hilum ledger export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli.options import AsJson, Chosen, Config, chosen, config_path
from hilum.cli.verb import Verb

if TYPE_CHECKING:
    from hilum.ledger.account import Account, Entry, Sums

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="export|copy", no_args_is_help=True)


@app.callback()
def ledger(context: typer.Context, config: Config = None) -> None:
    """Read the ledger, or move it into another database."""
    context.obj = Chosen(config)


@app.command("export", cls=Verb)
def export(
    context: typer.Context,
    *,
    personal: Annotated[
        bool, typer.Option("--with-personal-data", help="With the patient's ID of each instance.")
    ] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only the sums, for people.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print a line of JSON for each instance received: where it came from and where it is. The last line is the sum.

    Each instance is in one place: grouped, in jobs, ignored, held, removed or quarantined. The status is 0 only if
    their sum is what associations received. With --summary and --json, the sums alone are printed as JSON.
    """
    from hilum.cli import output
    from hilum.cli.exit import FailedError
    from hilum.cli.ledger import opened
    from hilum.ledger import account

    given = chosen(context, config, as_json)
    with opened(config_path(given.config)) as office, office.database.read() as connection:
        if summary:
            sums = account.sums(connection)
        else:
            book = account.Account(connection)
            _write_lines(book, personal=personal)
            sums = book.sums()
    if summary and not given.as_json:
        _print(sums)
    else:
        output.emit_line({"sum": _sum(sums)})
    if not sums.adds_up:
        raise FailedError


def _write_lines(book: Account, *, personal: bool) -> None:
    import json
    import sys

    encode = json.JSONEncoder(separators=(",", ":")).encode
    for entry in book.entries():
        sys.stdout.write(encode(line(entry, personal=personal)) + "\n")


def line(entry: Entry, *, personal: bool) -> dict[str, Any]:
    """An instance as its line tells it."""
    told = {
        "association": entry.association,
        "number": entry.number,
        "sop-class": entry.sop_class,
        "sop-instance": entry.sop_instance,
        "transfer-syntax": entry.transfer_syntax,
        "study": entry.study,
        "series": entry.series,
        "size": entry.size,
        "digest": entry.digest,
        "received-at": entry.received_at.isoformat(),
        "from": {"calling": entry.calling, "called": entry.called, "host": entry.host},
        "fate": entry.fate,
        "group": None if entry.group is None else {"id": entry.group, "state": entry.group_state},
        "jobs": [{"name": job.name, "state": job.state, "attempt": job.attempt} for job in entry.jobs],
        "deliveries": entry.deliveries,
        "place": entry.place,
    }
    return told | ({"patient-id": entry.patient_id} if personal else {})


def _sum(sums: Sums) -> dict[str, Any]:
    places = {place.value: number for place, number in sums.places.items()}
    return {"received": sums.received, **places, "adds-up": sums.adds_up}


def _print(sums: Sums) -> None:
    from hilum.cli import output
    from hilum.cli.output import Column

    rows = [(place.value, str(number)) for place, number in sums.places.items()]
    rows += [("together", str(sums.accounted)), ("received", str(sums.received))]
    output.table((Column("PLACE"), Column("INSTANCES", right=True)), rows)
    output.say("It adds up." if sums.adds_up else "It does not add up: `hilum fsck` says more.")
