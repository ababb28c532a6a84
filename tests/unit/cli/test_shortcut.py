"""What is read without the library means the same to the library, and what is not plain is left to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from hilum.cli import errand, shortcut
from hilum.cli.app import app

DEFAULTS: dict[str, Any] = dict(errand.run.__kwdefaults__)


def command() -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands["send"]


def told_by_the_library(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """With what it has the command run."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(errand, "run", lambda words, **options: calls.append({"words": list(words)} | options))
    app(arguments, prog_name="hilum", standalone_mode=False)
    [told] = calls
    return told


def test_every_option_is_known_by_each_of_its_names() -> None:
    options = {name for param in command().params if param.param_type_name == "option" for name in param.opts}
    assert shortcut.VALUES.keys() | shortcut.FLAGS.keys() == options - {"--help", "-h"}


@pytest.mark.parametrize(
    "line",
    [
        "send PACS@127.0.0.1:104 study",
        "send -q --call PACS 127.0.0.1 104 a b c",
        "send 127.0.0.1 104 a -aec X -aet Y --associations 7 -v",
        "send pacs a --acse-timeout 2.5 -td 7 --timeout 0.25 --json --quiet --config other.yaml",
        "send pacs a -ta 2 --dimse-timeout 7 -to 3 -c other.yaml --aetitle US --verbose",
        "send pacs",
    ],
)
def test_a_plain_line_means_the_same(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_by_the_library(line.split(), monkeypatch)
    found = shortcut.read(line.split())
    assert found is not None
    assert DEFAULTS | found == told


@pytest.mark.parametrize(
    "line",
    [
        "",
        "echo pacs",
        "--version",
        "send",
        "send --help",
        "send pacs a -h",
        "send -q",
        "send pacs a --associations 0",
        "send pacs a --associations 101",
        "send pacs a --associations many",
        "send pacs a -ta soon",
        "send pacs a -ta nan",
        "send pacs a -ta -1",
        "send pacs a -ta",
        "send pacs a --call=X",
        "send pacs a -qv",
        "send pacs a --unknown 1",
        "send pacs -- -file",
    ],
)
def test_what_is_not_plain_is_left_to_the_library(line: str) -> None:
    assert shortcut.read(line.split()) is None


def test_completion_is_left_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shortcut.read(["send", "pacs", "a"]) == {"words": ["pacs", "a"]}
    assert shortcut.read(["send", "pacs", "a", "-c", "x"]) == {"words": ["pacs", "a"], "config": Path("x")}
    monkeypatch.setenv("_HILUM_COMPLETE", "complete_bash")
    assert shortcut.read(["send", "pacs", "a"]) is None


def test_what_a_plain_line_needs_loads_no_large_library() -> None:
    look = "import sys, hilum.cli.shortcut, hilum.cli.errand; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert not loaded & {"typer", "click", "pydantic", "rich", "ruamel", "sqlalchemy", "structlog", "asyncio"}
    assert not {"hilum.config", "hilum.cli.output", "hilum.cli.app"} & set(ran.stdout.split())
