"""One gateway for all attacks of a file: what the first leaves behind, the last one finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.site import Site
from hostile.besieged import KEYS, Besieged, besieged


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """A gateway with short timeouts."""
    yield from besieged(Site(tmp_path_factory.mktemp("site"), KEYS))


@pytest.fixture
def unharmed(gateway: Besieged) -> Iterator[None]:
    """Whatever the test does, the gateway is afterwards as it was before the first test."""
    position = gateway.log_size
    gateway.begin()
    yield
    gateway.is_unharmed(position)
