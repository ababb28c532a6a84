"""All commands, in the order of the help."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from hilum.cli import (
    accept,
    account,
    cancel,
    check,
    conformance,
    copying,
    deliveries,
    demo,
    doctor,
    echo,
    explain,
    fsck,
    groups,
    history,
    init,
    jobs,
    notify,
    pause,
    receive,
    resume,
    retry,
    send,
    serve,
    status,
)
from hilum.cli.exit import EXPLAINED
from hilum.cli.verb import Verb

_RUN: Final = "Run a gateway"
_LOOK: Final = "See what it does"
_ASK: Final = "Ask it for something"
_SPEAK: Final = "Speak DICOM, with no gateway needed"
#: In the order of the help.
_COMMANDS: Final = {
    "demo": _RUN,
    "init": _RUN,
    "check": _RUN,
    "serve": _RUN,
    "conformance": _RUN,
    "status": _LOOK,
    "explain": _LOOK,
    "doctor": _LOOK,
    "jobs": _LOOK,
    "groups": _LOOK,
    "deliveries": _LOOK,
    "history": _LOOK,
    "notify": _LOOK,
    "ledger": _LOOK,
    "fsck": _LOOK,
    "retry": _ASK,
    "cancel": _ASK,
    "accept": _ASK,
    "pause": _ASK,
    "resume": _ASK,
    "echo": _SPEAK,
    "send": _SPEAK,
    "receive": _SPEAK,
}


class Sections(TyperGroup):
    """A group of commands whose help lists them under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002  typer keeps these types private
        """Write each section, and in it its commands, in the order of ``_COMMANDS``."""
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        widest = max(map(len, _COMMANDS))
        for name, heading in _COMMANDS.items():
            short = self.commands[name].get_short_help_str(formatter.width - widest - 6)
            sections[heading].append((name.ljust(widest), short))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


app = typer.Typer(
    name="hilum",
    cls=Sections,
    help="A DICOM gateway between imaging devices and AI workflows.",
    epilog=EXPLAINED,
    no_args_is_help=True,
    # Plain help: the other kind loads a library for longer than all the rest takes, and draws boxes into pipes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"hilum {version('hilum')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A DICOM gateway between imaging devices and AI workflows."""


for _name, _command in (
    ("demo", demo.command),
    ("init", init.command),
    ("check", check.command),
    ("serve", serve.command),
    ("conformance", conformance.command),
    ("status", status.command),
    ("explain", explain.command),
    ("deliveries", deliveries.command),
    ("history", history.command),
    ("fsck", fsck.command),
    ("retry", retry.command),
    ("cancel", cancel.command),
    ("accept", accept.command),
    ("pause", pause.command),
    ("resume", resume.command),
    ("echo", echo.command),
    ("send", send.command),
    ("receive", receive.command),
):
    app.command(_name, cls=Verb)(_command)
app.add_typer(jobs.app, name="jobs")
app.add_typer(groups.app, name="groups")
app.add_typer(notify.app, name="notify")
account.app.command("copy", cls=Verb)(copying.command)
app.add_typer(account.app, name="ledger")
app.add_typer(doctor.app, name="doctor")
