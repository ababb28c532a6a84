"""Gateways whose app.yaml has nothing but keys of the specification in it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.clock import Hands
from harness.site import Site
from hilum import config
from hilum.clock import Clock, utc_now
from spec.peers import Archive

#: What a machine that runs tests needs and no test is about; told by the environment, so that app.yaml stays as it is.
MACHINE: Mapping[str, str] = {
    "HILUM__WEB__ENABLED": "false",
    "HILUM__DICOM__SCP__HOST": "127.0.0.1",
    "HILUM__DICOM__SCP__PORT": "0",
    "HILUM__STORAGE__TEMPORARY": "spool",
    "HILUM__STORAGE__PAYLOADS": "payloads",
    "HILUM__STORAGE__OUTPUT": "output",
    "HILUM__STORAGE__WATERMARK_PERCENT": "100",
    "HILUM__STORAGE__RESERVE_GB": "0",
    "HILUM__STORAGE__SCAN_SECONDS": "0.05",
}


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def gateway(make_site: Callable[..., Site]) -> Callable[..., Site]:
    """Makes a gateway of an app.yaml, given as text or as a file to be taken unchanged; not yet started."""

    def make(app_yaml: str | Path, *, environ: Mapping[str, Any] | None = None, clock: Clock = utc_now) -> Site:
        site = make_site(clock=clock)
        content = app_yaml.read_bytes() if isinstance(app_yaml, Path) else textwrap.dedent(app_yaml).encode()
        site.path.write_bytes(content)
        overrides = {f"HILUM__{name}": str(value) for name, value in (environ or {}).items()}
        site.settings = config.load(site.path, {**MACHINE, **overrides})
        return site

    return make


@pytest.fixture
def archive() -> Iterator[Archive]:
    """A PACS called ARCHIVE that accepts everything and shares no code with Hilum."""
    with Archive() as started:
        yield started
