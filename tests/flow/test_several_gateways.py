"""Whole gateways that start together on one ledger on a server, and share it and their folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.data import make_instance, make_series, read
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.errors import PermanentError

pytestmark = pytest.mark.postgresql

Fellows = Callable[..., list[Site]]


@pytest.fixture
def fellows(make_site: Callable[..., Site], pacs: Pacs) -> Iterator[Fellows]:
    """Starts so many gateways on one ledger and one configuration."""
    started: list[Site] = []

    def start(count: int, window: float = 0, **ledger: Any) -> list[Site]:
        ae = {"ae-title": "HILUM", "timeout": window, "timeout-group": "Study" if window else "Association"}
        first = make_site(
            {
                "dicom": {"scp": {"ae-titles": [ae]}, "scu": {"destinations": [pacs.destination]}},
                "workflows": [
                    {"name": "back", "clara-ae-title": "HILUM", "destination-name": "PACS", "engine": "copy"}
                ],
                "ledger": ledger,
            }
        )
        sites = [first, *(Site.beside(first) for _ in range(count - 1))]
        started.extend(sites)
        with ThreadPoolExecutor(count) as pool:  # all at once, on a ledger without a table
            list(pool.map(Site.start, sites))
        return sites

    yield start
    for site in started:
        site.stop()


def test_one_study_over_two_gateways_is_one_job_and_is_sent_once(fellows: Fellows, pacs: Pacs, tmp_path: Path) -> None:
    a, b = fellows(2, window=3)
    files = [make_instance(tmp_path / "ct", study="1.2.3", sop_instance=f"1.2.3.{number}") for number in range(6)]
    send(a.port, *files[:2])
    send(b.port, *files[2:4])
    send(a.port, *files[4:])
    [job] = a.wait_for_jobs(1)
    assert {path.stem for path in a.inputs(job)} == {read(path).SOPInstanceUID for path in files}
    assert len(a.rows("groups")) == 1
    assert sorted(one.digest for one in pacs.accepted) == sorted(data_set_digest(path) for path in files)


def test_each_job_is_run_once_and_each_result_sent_once(fellows: Fellows, pacs: Pacs, tmp_path: Path) -> None:
    sites = fellows(3)
    files = [path for number in range(9) for path in make_series(tmp_path / str(number), 1)]
    for number, path in enumerate(files):
        send(sites[number % 3].port, path)
    jobs = sites[0].wait_for_jobs(len(files), seconds=60)
    assert [job.attempt for job in jobs] == [1] * len(files)
    assert len(sites[0].history(machine="job", event="started")) == len(files)
    assert sorted(one.digest for one in pacs.accepted) == sorted(map(data_set_digest, files))


def test_what_a_silent_gateway_had_open_is_held_and_its_release_refused(fellows: Fellows, tmp_path: Path) -> None:
    a, b = fellows(2, **{"lease-seconds": 2})
    assert a.gateway is not None
    (path,) = make_series(tmp_path / "ct", 1)
    with association(a.port, [path]) as requestor:
        assert store(requestor, path).status == 0
        a.gateway.parts.heartbeat.stop()  # as if the process did not run
        for runner in a.gateway._runners:
            runner.stop()
        eventually(lambda: b.rows("associations", state="held"), what="the association to be held")
    ended = b.history(machine="association", event="released")
    assert (b.rows("groups"), ended) == ([], [])  # the peer asked for release at the end of the block
    owner = a.gateway.parts.owner
    assert [row.state for row in b.rows("associations")] == ["held"]
    eventually(lambda: b.rows("gateways", id=owner, state="taken over"), what="its gateway to be taken over")
    (line,) = b.history(machine="gateway", subject=owner, event="gone")
    assert "its lease has ended" in line.why


def test_a_folder_of_its_own_is_no_shared_folder(fellows: Fellows, tmp_path: Path) -> None:
    (a,) = fellows(1)
    alone = Site.beside(a)
    alone.settings = alone.settings.model_copy(
        update={"storage": alone.settings.storage.model_copy(update={"temporary": tmp_path / "local"})}
    )
    with pytest.raises(PermanentError, match=r"is not the folder that gateway .* has"):
        alone.start()


def test_one_that_stops_in_order_leaves_nothing_behind(fellows: Fellows, pacs: Pacs, tmp_path: Path) -> None:
    a, b = fellows(2)
    files = make_series(tmp_path / "ct", 2)
    send(a.port, *files)
    owner = a.gateway.parts.owner  # type: ignore[union-attr]
    a.stop()
    b.wait_for_jobs(1, seconds=60)
    eventually(lambda: b.rows("gateways", id=owner, state="taken over"), what="it to be taken over")
    assert {one.digest for one in pacs.accepted} == {data_set_digest(path) for path in files}
