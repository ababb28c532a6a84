"""All commands, in the order of the help."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from hilum.cli import (
    accept,
    cancel,
    check,
    deliveries,
    demo,
    echo,
    groups,
    history,
    init,
    jobs,
    receive,
    retry,
    send,
    serve,
    status,
)
from hilum.cli.exit import EXPLAINED

_RUN: Final = "Run a gateway"
_LOOK: Final = "See what it does"
_ASK: Final = "Ask it for something"
_SPEAK: Final = "Speak DICOM, with no gateway needed"


class Sections(TyperGroup):
    """A group of commands whose help lists them under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  typer keeps these types private
        """Write each section in the order of its first command."""
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        widest = max(map(len, self.commands))
        for name, command in self.commands.items():
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            sections[heading].append((name.ljust(widest), command.get_short_help_str(formatter.width - widest - 6)))
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
    version: Annotated[  # noqa: ARG001  acted on by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A DICOM gateway between imaging devices and AI workflows."""


app.command("demo", rich_help_panel=_RUN)(demo.command)
app.command("init", rich_help_panel=_RUN)(init.command)
app.command("check", rich_help_panel=_RUN)(check.command)
app.command("serve", rich_help_panel=_RUN)(serve.command)
app.command("status", rich_help_panel=_LOOK)(status.command)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_LOOK)
app.add_typer(groups.app, name="groups", rich_help_panel=_LOOK)
app.command("deliveries", rich_help_panel=_LOOK)(deliveries.command)
app.command("history", rich_help_panel=_LOOK)(history.command)
app.command("retry", rich_help_panel=_ASK)(retry.command)
app.command("cancel", rich_help_panel=_ASK)(cancel.command)
app.command("accept", rich_help_panel=_ASK)(accept.command)
app.command("echo", rich_help_panel=_SPEAK)(echo.command)
app.command("send", rich_help_panel=_SPEAK)(send.command)
app.command("receive", rich_help_panel=_SPEAK)(receive.command)
