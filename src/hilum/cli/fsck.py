"""``hilum fsck``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hilum.fsck import Finding


def command(
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every file and compare its digest.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended safely; the gateway must be stopped.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare ledger and files both ways, and say what differs.

    Files that a row says are there and are not, files that no row knows, and a ledger that contradicts itself. Without
    --repair nothing is changed, and a gateway may run. Nothing is ever deleted: what nobody knows is moved into
    quarantine. The status is 0 only if nothing is left to do.
    """
    from contextlib import nullcontext

    from hilum.cli.exit import FailedError
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.errors import PermanentError
    from hilum.fsck import Inspection

    with opened(config_path(config)) as office:
        storage = office.settings.storage
        inspection = Inspection(
            database=office.database, spool=storage.temporary, roots=(storage.payloads, storage.output)
        )
        if repair and office.running:
            raise PermanentError("a gateway is running on this ledger: stop it first, then `hilum fsck --repair` again")
        with office.database.exclusively() if repair else nullcontext():
            found = (
                inspection.repair(utc_now(), deep=deep)
                if repair
                else inspection.look(utc_now(), deep=deep, running=office.running)
            )
    if as_json:
        _emit(found, deep=deep)
    else:
        _print(found, deep=deep, repaired=repair)
    if any(not one.repaired for one in found):
        raise FailedError


def _emit(found: Sequence[Finding], *, deep: bool) -> None:
    from hilum.cli import output

    findings = [
        {
            "kind": one.kind,
            "subject": f"{one.machine}:{one.subject}",
            "found": one.found,
            "expected": one.expected,
            "means": one.means,
            "remedy": one.remedy,
            "repairable": one.repair is not None,
            "repaired": one.repaired,
        }
        for one in found
    ]
    left = sum(not one.repaired for one in found)
    output.emit({"deep": deep, "findings": findings, "left": left})


def _print(found: Sequence[Finding], *, deep: bool, repaired: bool) -> None:
    from hilum import words
    from hilum.cli import output

    for one in found:
        output.bullet(
            f"{one.kind}: {_subject(one)}: found {one.found}; expected {one.expected}. {_sentence(one.means)}"
        )
        state = "done" if one.repaired else "--repair" if one.repair is not None and not repaired else "to do"
        output.paragraph(f"{state}: {one.remedy}", indent=4)
    how = "Ledger and files agree" + ("." if deep else "; contents were not read (--deep).")
    if not found:
        output.say(how)
        return
    left = sum(not one.repaired for one in found)
    output.say(f"{words.count(len(found), 'finding')}, {left} left.")
    if not repaired and any(one.repair is not None for one in found):
        output.say("What is marked --repair is done by `hilum fsck --repair` while the gateway is stopped.")


def _subject(finding: Finding) -> str:
    from hilum import words

    return f"{finding.machine} {words.subject(finding.machine, finding.subject)}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
