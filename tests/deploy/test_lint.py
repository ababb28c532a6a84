"""Files of deploy/ and scripts/ please the tools of their kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.folders import DEPLOY, ROOT

TOOLS = Path(sys.executable).parent
SCRIPTS = [
    path
    for folder in (ROOT / "scripts", DEPLOY)
    for path in sorted(folder.rglob("*"))
    if path.is_file() and path.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))
]
STYLE = """
extends: default
rules:
  document-start: disable
  braces: {max-spaces-inside: 0}
  comments: {min-spaces-from-content: 1}
  line-length:
    max: 120
    ignore: [alerts.yml]
"""


def complaints(*command: str | Path) -> str:
    """What a tool says; nothing, if it is content."""
    done = subprocess.run([str(part) for part in command], check=False, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck(path: Path) -> None:
    assert complaints(TOOLS / "shellcheck", path) == ""


def test_yamllint() -> None:
    assert complaints(TOOLS / "yamllint", "--strict", "-d", STYLE, DEPLOY) == ""


def test_hadolint() -> None:
    assert complaints(TOOLS / "hadolint", DEPLOY / "container/Dockerfile") == ""


def test_the_tools_find_mistakes(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\nrm $1/*\n")
    (tmp_path / "some.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && sudo ls\n")
    assert "SC2086" in complaints(TOOLS / "shellcheck", tmp_path / "script")
    assert "key-duplicates" in complaints(TOOLS / "yamllint", "--strict", "-d", STYLE, tmp_path / "some.yaml")
    assert "DL3006" in complaints(TOOLS / "hadolint", tmp_path / "Dockerfile")
