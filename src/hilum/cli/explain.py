"""``hilum explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from hilum.cli.ledger import Office
    from hilum.explain.explanation import Explanation
    from hilum.explain.prospect import Prospect


def command(
    what: Annotated[list[str], typer.Argument(metavar="WHAT", hidden=True)],
    *,
    would: Annotated[
        str | None,
        typer.Option(
            "--would",
            metavar="SENDER",
            show_default=False,
            help="Tell what would happen if SENDER, '[CALLING>]CALLED@HOST', sent these files and folders.",
        ),
    ] = None,
    personal: Annotated[bool, typer.Option("--personal", help="Also tell Patient IDs.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell where something is, why, and what to do.

    WHAT is a Study, Series or SOP Instance UID, a Patient ID, a job, an association, group:12, delivery:12, or a DICOM
    file, whose UIDs are looked for. Jobs and associations may be shortened. The status is 1 if nothing is known of it.

    With --would, nothing is sent: the rules of the gateway are asked about files, and the status is 1 if they say no to
    any of it. HOST is the address that the sender has.
    """
    from hilum.cli import output
    from hilum.cli.exit import FailedError, UsageError
    from hilum.cli.explained import tell, tell_prospect
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    path = config_path(config)
    if would is not None:
        prospect = _foretell(path, would, what, utc_now())
        if as_json:
            output.emit(prospect)
        else:
            tell_prospect(prospect)
        if prospect.verdict == "no":
            raise FailedError
        return
    if len(what) > 1:
        raise UsageError(f"{what[1]!r} is one word too many: one thing is explained at a time")
    with opened(path) as office:
        found = _ask(office, what[0], utc_now(), personal=personal)
    if as_json:
        output.emit(found)
    else:
        tell(found)
    if not found.kind and not found.choices:
        raise FailedError


def _ask(office: Office, what: str, now: datetime, *, personal: bool) -> Explanation:
    from pathlib import Path

    from hilum.cli.exit import UsageError
    from hilum.explain.inquirer import Inquirer
    from hilum.store.rescan import Scanned, rescan

    inquirer = Inquirer(database=office.database, spool=office.settings.storage.temporary, running=office.running)
    path = Path(what)
    if not path.is_file():
        return inquirer.explain(what, now=now, personal=personal)
    found = rescan(path.resolve())
    if not isinstance(found, Scanned):
        raise UsageError(f"{what} is no DICOM file that can be read: {found.why}")
    return inquirer.explain_file(found.header, what, now=now, personal=personal)


def _foretell(path: Path, would: str, what: Sequence[str], now: datetime) -> Prospect:
    from pathlib import Path

    from hilum import config as configuration
    from hilum.cli import output
    from hilum.cli.exit import UsageError
    from hilum.cli.ledger import quiet
    from hilum.cli.outbox import files_in
    from hilum.errors import PermanentError
    from hilum.explain.foreteller import Foreteller, candidate_of, sender_of
    from hilum.explain.prospect import Candidate
    from hilum.ledger.database import Database

    try:
        sender = sender_of(would)
    except PermanentError as error:
        raise UsageError(f"--would: {error}") from None
    quiet()
    settings = configuration.load(path)
    candidates: list[Candidate] = []
    for name in files_in(what):
        found = candidate_of(Path(name))
        if isinstance(found, Candidate):
            candidates.append(found)
        else:
            output.remark(f"{name}: not DICOM, nobody would send it: {found}")
    if not candidates:
        raise UsageError("none of these is a DICOM file")
    database = Database(settings.ledger.url)
    try:
        known = database if database.exists() else None
        return Foreteller(settings=settings, database=known).foretell(sender, candidates, now=now)
    finally:
        database.close()
