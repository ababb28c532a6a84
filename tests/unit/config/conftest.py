from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hilum.config import Settings, load
from hilum.errors import ConfigError, Problem

Read = Callable[..., Settings]
Refuse = Callable[..., tuple[Problem, ...]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Loads a text as app.yaml in a folder of its own, which is also the current one."""
    monkeypatch.chdir(tmp_path)

    def call(text: str | bytes, environ: Mapping[str, str] | None = None) -> Settings:
        Path("app.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return load(Path("app.yaml"), environ or {})

    return call


@pytest.fixture
def refuse(read: Read) -> Refuse:
    """Loads a text that must be refused, and gives the problems."""

    def call(text: str | bytes, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ)
        return caught.value.problems

    return call
