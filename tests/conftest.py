"""Fixtures for tests of a whole gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from harness.pacs import Pacs
from harness.site import Site


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """What a command configures for itself, or binds to its thread, must not reach the tests after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes gateways, each on its own folder, not yet started; all are stopped at the end."""
    made: list[Site] = []

    def make(keys: Mapping[str, Any] | None = None, **options: Any) -> Site:
        folder = tmp_path / f"site{len(made)}"
        folder.mkdir()
        made.append(Site(folder, keys or {}, **options))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A PACS that accepts everything."""
    with Pacs() as started:
        yield started
