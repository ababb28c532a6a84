"""One gateway for the whole battery, as a peer in use is one: what a check leaves behind, the next one meets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from harness.site import Site
from hilum.battery import Shelf, Target

#: Seconds of each of the gateway's timers.
TIMER = 1
CALLING = "SCANNER"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway on both families of the loopback that knows one source."""
    folder = tmp_path_factory.mktemp("battery") / "site"
    folder.mkdir()
    scp = {
        "host": "::",
        "max-associations": 2,
        "reject-unknown-sources": True,
        "sources": [{"host-ip": host, "ae-title": CALLING} for host in ("127.0.0.1", "::1")],
        "timeouts": {"artim": TIMER, "pdu": TIMER, "idle": TIMER},
    }
    # It lives between tests, where nobody catches what it says.
    with structlog.testing.capture_logs(), Site(folder, {"dicom": {"scp": scp}}) as started:
        yield started


@pytest.fixture(scope="module")
def target(site: Site) -> Target:
    """It, as the battery sees it. Answers come at once; the patience is for a machine that is busy."""
    return Target(
        host="127.0.0.1",
        port=site.port,
        called="HILUM",
        calling=CALLING,
        patience=10,
        calm=0.2,
        slow=TIMER + 4,
        shelf=Shelf(site.folder),
    )
