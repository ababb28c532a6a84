from __future__ import annotations

import pytest

from stage.cli.running import Hilum

COMMANDS = [
    *("demo", "init", "check", "serve"),
    *("status", "jobs", "groups", "deliveries", "history", "ledger", "fsck"),
    *("retry", "cancel", "accept"),
    *("echo", "send", "receive"),
]


def test_help_lists_every_command_once_and_tells_the_exit_statuses(hilum: Hilum) -> None:
    said = hilum("--help")
    assert said.code == 0
    listed = [line.split()[0] for line in said.out.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert [name for name in listed if name in COMMANDS] == COMMANDS
    assert "..." not in said.out.partition("Run a gateway")[2], "a summary is cut off: shorten it"
    assert "3  failed for now" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("echo",), ("jobs", "--limit", "0"), ("retry", "--nonsense", "x")]
)
def test_a_wrong_command_line_ends_with_2(hilum: Hilum, arguments: tuple[str, ...]) -> None:
    ran = hilum(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Error: " in ran.err


def test_the_version_is_told(hilum_process: Hilum) -> None:
    assert hilum_process("--version").out.startswith("hilum 0.")


def test_a_command_with_commands_lists_them_in_its_usage(hilum: Hilum) -> None:
    assert hilum("jobs", "-h").out.startswith("Usage: hilum jobs [OPTIONS] [show JOB]\n")
    assert hilum("jobs", "show", "-h").out.startswith("Usage: hilum jobs show [OPTIONS] JOB\n")
