"""``hilum doctor`` and ``hilum doctor battery``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path
from hilum.cli.verb import Verb

if TYPE_CHECKING:
    from hilum.battery import Outcome, Target

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="[battery HOST PORT]")


@app.callback(invoke_without_command=True)
def doctor(
    context: typer.Context,
    *,
    destination: Annotated[
        str | None,
        typer.Option("--destination", metavar="NAME", show_default=False, help="Only this destination."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find out what is wrong here, there and at senders.

    Looks at the clock, the disks, permissions, ports, file descriptors, the ledger, the engines, each destination, and
    at what the gateway saw of its senders in the last week. Destinations are asked for an association and an echo;
    nothing is sent. The status is 1 if anything is wrong.

    `hilum doctor battery` tries a peer instead.
    """
    if context.invoked_subcommand is not None:
        return
    from hilum.cli import output
    from hilum.cli.examined import examine, tell
    from hilum.cli.exit import FailedError

    found = examine(config_path(config), destination)
    if as_json:
        output.emit(found)
    else:
        tell(found)
    if not found.healthy:
        raise FailedError


@app.command("battery", cls=Verb)
def battery(
    host: Annotated[str, typer.Argument(metavar="HOST", hidden=True)],
    port: Annotated[int, typer.Argument(metavar="PORT", hidden=True, min=1, max=65535)],
    *,
    called: Annotated[str, typer.Option("--called", "-aec", metavar="TITLE", help="Called AE title, the peer's.")],
    calling: Annotated[
        str, typer.Option("--calling", "-aet", metavar="TITLE", help="Calling AE title that the peer accepts.")
    ] = "HILUM",
    only: Annotated[
        str, typer.Option("--only", metavar="NUMBERS", show_default=False, help="These checks only, as in 5,21-30.")
    ] = "",
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", min=0.1, max=60, help="How long an answer may take.")
    ] = 2.0,
    slow: Annotated[
        float | None,
        typer.Option(
            "--slow",
            metavar="SECONDS",
            min=0.1,
            max=3600,
            show_default=False,
            help="Also check the peer's timers, which run so long at most.",
        ),
    ] = None,
    stored: Annotated[
        Path | None,
        typer.Option(
            "--stored",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            show_default=False,
            help="Where the peer stores, if this host sees it: its files are checked too.",
        ),
    ] = None,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Send instances of an invented patient.")] = True,
    as_json: AsJson = False,
) -> None:
    """Check over raw sockets whether a storage SCP keeps the musts of DICOM.

    Right and wrong PDUs are sent, one association at a time for nearly all checks, and small instances of the patient
    HILUM^BATTERY are stored: for a peer in use, choose --no-store. The status is 0 only if nothing deviates.
    """
    from hilum.battery import Shelf, Target, chosen, run
    from hilum.cli import output
    from hilum.cli.exit import FailedError, UsageError
    from hilum.errors import PermanentError

    for option, title in (("--called", called), ("--calling", calling)):
        if not (title.strip() and title.isascii() and len(title) <= 16):
            raise UsageError(f"{option} {title!r}: expected 1 to 16 ASCII characters")
    try:
        checks = chosen(only)
    except PermanentError as error:
        raise UsageError(f"--only: {error}") from None
    target = Target(
        host=host.removeprefix("[").removesuffix("]"),
        port=port,
        called=called,
        calling=calling,
        patience=patience,
        slow=slow,
        stores=store,
        shelf=None if stored is None else Shelf(stored),
    )
    with _progress(len(checks)) as tell:
        outcomes = run(target, checks, tell=tell)
    if as_json:
        output.emit(_document(target, outcomes))
    else:
        _print(outcomes)
    if _deviating(outcomes):
        raise FailedError


def _progress(total: int) -> AbstractContextManager[Callable[[Outcome], None]]:
    """What is told after each check; on a terminal it shows how far they are."""
    from collections.abc import Iterator
    from contextlib import contextmanager

    from hilum.cli import output

    if not sys.stderr.isatty():
        return nullcontext(lambda _: None)

    @contextmanager
    def shown() -> Iterator[Callable[[Outcome], None]]:
        with output.console(sys.stderr).status(f"{total} checks") as status:
            yield lambda outcome: status.update(f"check {outcome.check.number} of {total}: {outcome.check.title}")

    return shown()


def _deviating(outcomes: Sequence[Outcome]) -> int:
    from hilum.battery import Deviates

    return sum(isinstance(outcome.verdict, Deviates) for outcome in outcomes)


def _words(outcome: Outcome) -> tuple[str, str, str]:
    """The verdict, what was found, and what was expected or why nothing was seen."""
    from hilum.battery import Conforms, Deviates, NotObservable

    match outcome.verdict:
        case Conforms(found):
            return "conforms", found, ""
        case Deviates(found, expected, case):
            return "deviates", f"{case}: {found}" if case else found, expected
        case NotObservable(why):
            return "not observable", "", why


def _print(outcomes: Sequence[Outcome]) -> None:
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    columns = (
        Column("MUST", right=True, fixed=True),
        Column("VERDICT", fixed=True, state=True),
        Column("WHAT THE PEER MUST DO"),
        Column("FOUND"),
        Column("EXPECTED"),
    )
    rows = []
    for outcome in outcomes:
        verdict, found, expected = _words(outcome)
        rows.append((str(outcome.check.number), verdict, outcome.check.title, found, expected))
    output.table(columns, rows)
    verdicts = [row[1] for row in rows]
    seconds = sum(outcome.seconds for outcome in outcomes)
    output.say("")
    output.say(
        f"{words.count(len(rows), 'must')}: {verdicts.count('conforms')} kept, {verdicts.count('deviates')} not kept, "
        f"{verdicts.count('not observable')} not observable; {seconds:.0f} s"
    )


def _document(target: Target, outcomes: Sequence[Outcome]) -> dict[str, object]:
    checks = []
    for outcome in outcomes:
        verdict, found, expected = _words(outcome)
        observable = verdict != "not observable"
        checks.append(
            {
                "number": outcome.check.number,
                "title": outcome.check.title,
                "source": outcome.check.source,
                "verdict": verdict,
                "found": found,
                "expected": expected if observable else "",
                "why": "" if observable else expected,
                "seconds": round(outcome.seconds, 3),
            }
        )
    return {
        "host": target.host,
        "port": target.port,
        "called": target.called,
        "calling": target.calling,
        "deviations": _deviating(outcomes),
        "checks": checks,
    }
