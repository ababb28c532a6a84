"""``hilum explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from datetime import datetime

    from hilum.cli.ledger import Office
    from hilum.explain.explanation import Explanation


def command(
    what: Annotated[str, typer.Argument(metavar="WHAT", hidden=True)],
    *,
    personal: Annotated[bool, typer.Option("--personal", help="Also tell Patient IDs.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell where something is, what happened to it, why, and what to do.

    WHAT is a Study, Series or SOP Instance UID, a Patient ID, a job, an association, group:12, delivery:12, or a DICOM
    file, whose UIDs are looked for. Jobs and associations may be shortened. The status is 1 if nothing is known of it.
    """
    from hilum.cli import output
    from hilum.cli.exit import FailedError
    from hilum.cli.explained import tell
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    with opened(config_path(config)) as office:
        found = _ask(office, what, utc_now(), personal=personal)
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
