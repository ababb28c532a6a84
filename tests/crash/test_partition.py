"""The network between gateway and PACS breaks in the middle of a job: nothing is lost, nobody waits, nobody hammers.

Only root can lay the cable; everything stays on it or on the loopback.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from acceptance.outbox import finished, sends_to
from crash.cable import Attempts, Cable, far_pacs, laid
from harness.data import make_series
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.ledger.database import Database
from hilum.ledger.rows import AnyRow

MakeSite = Callable[..., Site]

WAITS = [0.5, 1.0]
TIMEOUTS = {"connect": 0.5, "association": 0.5, "dimse": 0.7}
#: Less than the system buffers: that nothing is read any more shows by the silence after it.
SIZE = 30_000


@pytest.fixture
def cable() -> Iterator[Cable]:
    with laid() as one:
        yield one


def port_of(folder: Path) -> int:
    eventually((folder / "port").exists, what="the PACS at the other end")
    return int((folder / "port").read_text())


def taken(folder: Path) -> Counter[str]:
    """By digest, how often the PACS has taken each instance."""
    path = folder / "taken"
    return Counter(path.read_text().split() if path.exists() else ())


def make(make_site: MakeSite, cable: Cable, port: int, near: Pacs) -> Site:
    far = {"name": "FAR", "host-ip": cable.there, "port": port, "ae-title": "FAR"}
    return make_site(sends_to(far, near.destination, timeouts=TIMEOUTS, retry={"waits": WAITS}))


@pytest.mark.parametrize("cut", [Cable.no_route, Cable.unplugged, Cable.one_way])
def test_a_partition_in_the_middle_of_a_job_costs_time_and_nothing_else(
    make_site: MakeSite, cable: Cable, pacs: Pacs, tmp_path: Path, cut: Callable[[Cable], object]
) -> None:
    files, more = make_series(tmp_path / "a", 6, size=SIZE), make_series(tmp_path / "b", 3, size=SIZE)
    folder = tmp_path / "far"
    folder.mkdir()
    with far_pacs(cable, folder, hold_at=3):
        site = make(make_site, cable, port_of(folder), pacs)
        with GatewayProcess(site) as gateway:
            site.database = Database(site.settings.ledger.url)
            finished(site, *files, name="one")
            # The third instance has come, and its answer has not gone: it will not be heard.
            eventually((folder / "holding").exists, what="the third instance")
            with cut(cable), Attempts(cable) as attempts:  # type: ignore[attr-defined]
                (folder / "go").touch()
                eventually(lambda: site.rows("destinations", state="down"), what="that the gateway notices")
                finished(site, *more, name="two")
                wanted = sorted(map(data_set_digest, (*files, *more)))
                eventually(lambda: sorted(one.digest for one in pacs.accepted) == wanted, what="all at the healthy one")

                def failed_often() -> AnyRow | None:
                    [row] = site.rows("destinations")
                    return row if row.failures >= 4 else None

                row = eventually(failed_often, what="several attempts")
                assert row is not None
                seen = len(attempts.ports)
                [again] = site.rows("destinations")
            # One attempt for each wait, each wait as long as configured.
            least = 0.8 * (WAITS[0] + WAITS[1] * (row.failures - 1))
            [down] = site.history(machine="destination", event="failed")
            assert row.not_before - down.at >= timedelta(seconds=least)
            assert seen <= again.failures + 1
            eventually(lambda: taken(folder).keys() == set(wanted), what="everything at the far one", seconds=60)
            eventually(lambda: {row.state for row in site.rows("deliveries")} == {"delivered"}, what="the last answer")
            unknown = site.history(machine="delivery", event="failed for now")
            assert taken(folder).total() - len(wanted) <= len(unknown) <= 2
            assert [line.event for line in site.history(machine="destination")][-1] == "answered"
            assert gateway.stop() == 0
        site.database.close()


def test_over_a_slow_link_everything_arrives_and_nobody_else_waits(
    make_site: MakeSite, cable: Cable, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 8, size=SIZE)
    folder = tmp_path / "far"
    folder.mkdir()
    with far_pacs(cable, folder):
        site = make(make_site, cable, port_of(folder), pacs)
        with GatewayProcess(site) as gateway, cable.slow("1mbit"):
            site.database = Database(site.settings.ledger.url)
            finished(site, *files)
            wanted = set(map(data_set_digest, files))
            eventually(lambda: {one.digest for one in pacs.accepted} == wanted, what="all at the healthy one")
            assert taken(folder).total() < len(wanted)
            eventually(lambda: taken(folder) == Counter(wanted), what="everything at the far one", seconds=60)
            eventually(lambda: {row.state for row in site.rows("deliveries")} == {"delivered"}, what="the last answer")
            assert site.history(machine="destination") == []
            assert gateway.stop() == 0
        site.database.close()
