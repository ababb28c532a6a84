"""A result that kills the gateway when it is sent: everything else is delivered, it is given up, and can be retried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from acceptance.outbox import finished, sends_to
from harness.data import make_series
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.ledger import dispatch
from hilum.ledger.database import Database
from hilum.ledger.lease import MAX_BEGUN

MakeSite = Callable[..., Site]

#: Stands for a fault in native code, or for the out-of-memory killer that comes each time at the same file.
PLANT = """
import os, signal
from hilum.association.requestor import Requestor
store = Requestor.store
def deadly(self, *args, **kind):
    if kind["sop_instance"] == {uid!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return store(self, *args, **kind)
Requestor.store = deadly
"""


@contextmanager
def planted(site: Site, plant: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway with the plant in it; it may die before it says that it has started."""
    command = [sys.executable, "-m", "hilum", "serve", "--config", str(site.path)]
    with (site.folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(plant)})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_result_that_kills_the_gateway_is_given_up_and_all_others_are_delivered(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 7)
    more = make_series(tmp_path / "b", 4)
    deadly = sorted(files)[3]
    plant = tmp_path / "plant"
    plant.mkdir()
    (plant / "sitecustomize.py").write_text(PLANT.format(uid=deadly.stem))
    site = make_site(sends_to(pacs.destination))
    finished(site, *files, name="one")
    finished(site, *more, name="two")

    def life() -> bool:
        """One life of the gateway; whether it was still alive when everything had come to an end."""
        with planted(site, plant) as process:
            eventually(lambda: process.poll() is not None or everything_ended(), what="an end", seconds=60)
            return process.poll() is None

    def everything_ended() -> bool:
        rows = site.rows("deliveries")
        return len(rows) == len(files) + len(more) and all(row.state != "due" for row in rows)

    site.database = Database(site.settings.ledger.url)
    site.database.migrate()
    lives = [life()]
    while not lives[-1]:
        lives.append(life())
        assert len(lives) <= MAX_BEGUN + 1
    assert len(lives) == MAX_BEGUN + 1, "it had its tries, and no more"
    innocent = sorted(data_set_digest(path) for path in (*files, *more) if path != deadly)
    arrived = [one.digest for one in pacs.accepted]
    assert sorted(set(arrived)) == innocent, "all others arrived"
    # Each death may have cut off one that was on its way over the other association.
    assert len(arrived) <= len(innocent) + MAX_BEGUN
    [row] = site.rows("deliveries", state="given up")
    assert f"ended {MAX_BEGUN} times in a row" in row.why
    [line] = site.history(machine="delivery", event="failed for good")
    assert "hilum retry" in line.remedy
    # The cause is mended: without the plant.
    with site.database.write() as connection:
        dispatch.ask_retry(connection, row.id, now=site.clock())
    with GatewayProcess(site) as gateway:
        eventually(lambda: site.rows("deliveries", id=row.id, state="delivered"), what="the last one")
        assert gateway.stop() == 0
    assert data_set_digest(deadly) in [one.digest for one in pacs.accepted]
    site.database.close()
