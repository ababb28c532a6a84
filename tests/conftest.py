"""Fixtures for tests of a whole gateway."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from crash import ledger_server
from harness.ledgers import Files, Ledgers
from harness.pacs import Pacs
from harness.postgres import Server
from harness.site import Site


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ledger", choices=("sqlite", "postgresql"), default="sqlite", help="where ledgers are kept")


def pytest_configure(config: pytest.Config) -> None:
    """Tests of crashes make their sites themselves, some of them in processes of their own."""
    if config.getoption("--ledger") == ledger_server.POSTGRESQL:
        os.environ[ledger_server.VARIABLE] = ledger_server.POSTGRESQL


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, tests that say they are about SQLite's file are deselected; on SQLite, those of a server."""
    other = "sqlite" if config.getoption("--ledger") == "postgresql" else "postgresql"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]


@pytest.fixture(scope="session")
def ledgers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    """Makes empty ledgers where this run keeps them."""
    if request.config.getoption("--ledger") == "sqlite":
        yield Files(tmp_path_factory.mktemp("ledger"))
        return
    server = Server()
    yield server
    server.discard()


@pytest.fixture
def ledger_url(ledgers: Ledgers, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty ledger, as a gateway has just made it."""
    url = ledgers.new(tmp_path)
    yield url
    ledgers.remove(url)


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """What a command configures for itself, or binds to its thread, must not reach the tests after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def make_site(tmp_path: Path, ledgers: Ledgers) -> Iterator[Callable[..., Site]]:
    """Makes gateways, each on its own folder, not yet started; all are stopped at the end."""
    made: dict[str, Site] = {}

    def make(keys: Mapping[str, Any] | None = None, **options: Any) -> Site:
        folder = tmp_path / f"site{len(made)}"
        folder.mkdir()
        url = ledgers.url(folder)
        made[url] = Site(folder, keys or {}, ledger=url, **options)
        return made[url]

    yield make
    for site in made.values():
        site.stop()
    for url in made:
        ledgers.remove(url)


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    """A PACS that accepts everything."""
    with Pacs() as started:
        yield started
