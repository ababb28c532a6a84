"""A PACS that refuses, aborts, sleeps or is silent: every result gets there in the end, and nobody else waits."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from interop.copying import copy_to, wait_for_deliveries
from interop.dcmtk import Storescp

pytestmark = pytest.mark.interop

MakeSite = Callable[..., Site]


@contextmanager
def black_hole(title: str) -> Iterator[dict[str, object]]:
    """A destination that takes connections and never says a word; at the end it resets them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield {"name": title, "host-ip": "127.0.0.1", "port": listener.getsockname()[1], "ae-title": title}


@pytest.mark.parametrize("fault", ["--refuse", "--abort-after", "--abort-during"])
def test_what_a_faulty_pacs_did_not_take_is_delivered_once_it_is_mended(
    make_site: MakeSite, tmp_path: Path, fault: str
) -> None:
    # Longer than one PDU, so that there is something to be in the middle of.
    files = make_series(tmp_path / "ct", 3, size=100_000)
    with Storescp(tmp_path / "faulty", fault) as faulty:
        site = make_site(copy_to(faulty.destination)).start()
        send(site.port, *files)

        def tried_twice() -> bool:
            """One after the other if it is what they carry that breaks the associations."""
            rows = site.rows("deliveries")
            if fault == "--refuse":
                return any(row.failures >= 2 for row in site.rows("destinations"))
            return [row.attempts >= 2 for row in rows] == [True] * 3

        eventually(tried_twice, what="a second attempt of each")
        assert site.rows("deliveries", state="due"), "nothing is taken for delivered"
    with Storescp(tmp_path / "mended", port=faulty.port) as mended:
        wait_for_deliveries(site, 3)
        assert mended.digests() == sorted(map(data_set_digest, files))
    failures = site.history(machine="delivery", event="failed for now")
    failures = [*failures, *site.history(machine="destination", event="failed")]
    assert failures
    assert all(line.why for line in failures), "each failed attempt has its reason"
    waits = [
        (later.at - earlier.at).total_seconds()
        for earlier, later in pairwise(failures)
        if earlier.subject == later.subject and earlier.machine == later.machine
    ]
    assert all(wait >= 0.8 * 0.2 for wait in waits), "never sooner than the schedule says"


@pytest.mark.parametrize("slowness", ["--sleep-during", "--sleep-after"])
def test_a_pacs_that_sleeps_before_it_answers_is_waited_for(make_site: MakeSite, tmp_path: Path, slowness: str) -> None:
    files = make_series(tmp_path / "ct", 1)
    with Storescp(tmp_path / "slow", slowness, "1") as slow, make_site(copy_to(slow.destination)) as site:
        send(site.port, *files)
        wait_for_deliveries(site, 1)
        assert slow.digests() == sorted(map(data_set_digest, files))
        assert [row.attempts for row in site.rows("deliveries")] == [1]


def test_a_silent_destination_delays_only_its_own_deliveries(make_site: MakeSite, tmp_path: Path) -> None:
    jobs = [make_series(tmp_path / str(number), 2) for number in range(4)]
    files = [path for series in jobs for path in series]
    with Pacs() as pacs, black_hole("SILENT") as silent:
        site = make_site(copy_to(silent, pacs.destination)).start()
        for series in jobs:
            send(site.port, *series)
        began = time.monotonic()
        eventually(lambda: len(pacs.accepted) == len(files), seconds=25, what="everything at the healthy one")
        # The silent one is waited for half a minute.
        assert time.monotonic() - began < 20
        assert {row.state for row in site.rows("deliveries", destination="SILENT")} == {"due"}
        assert site.rows("jobs", state="complete") == []
    assert sorted(one.digest for one in pacs.accepted) == sorted(map(data_set_digest, files))
