"""What the documents say of the command line is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from hilum.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CHANGELOG.md"]
COMMANDS = typer.main.get_command(app)


def commands() -> list[str]:
    return sorted(COMMANDS.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", commands())
def test_every_command_is_in_the_changelog(name: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / "CHANGELOG.md").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?hilum ([a-z]+)", page.read_text()))
    assert named <= set(commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
