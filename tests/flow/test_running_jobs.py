"""Jobs that run or wait to: how many at once, and how an operator stops them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flow.gate import Gate
from flow.workflows import one_workflow
from harness.data import make_instance
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.ledger import work
from hilum.ledger.rows import AnyRow
from hilum.states import Job

MakeSite = Callable[..., Site]


def cancel(site: Site, job: AnyRow) -> Job:
    """As ``hilum cancel`` does."""
    with site.database.write() as connection:
        return work.ask_cancel(connection, job.id, now=site.clock())


def states(site: Site) -> list[str]:
    return sorted(job.state for job in site.rows("jobs"))


def test_an_engine_never_has_more_than_max_jobs_and_the_rest_wait_in_their_order(
    make_site: MakeSite, gate: Gate, tmp_path: Path
) -> None:
    with make_site(one_workflow(gate.engine(**{"max-jobs": 2}))) as site:
        for number in range(5):
            send(site.port, make_instance(tmp_path / str(number)))
            eventually(lambda: len(site.rows("jobs")) == number + 1, what="the next job")  # noqa: B023
        gate.wait_for(2)
        assert states(site) == ["queued"] * 3 + ["running"] * 2
        first_two = [job.id for job in site.rows("jobs")][:2]
        assert gate.running == sorted(first_two)

        # One ends by being cancelled, and exactly one takes its place.
        [victim, *_] = site.rows("jobs", state="running")
        cancel(site, victim)
        gate.wait_for(3)
        assert states(site) == ["cancelled"] + ["queued"] * 2 + ["running"] * 2
        gate.open()
        site.wait_for_jobs(4)
        assert set(gate.runs.values()) == {1}


def test_a_running_job_that_is_cancelled_ends_at_once_and_can_be_run_again(
    make_site: MakeSite, gate: Gate, pacs: Pacs, tmp_path: Path
) -> None:
    with make_site(one_workflow(gate.engine(), to=[pacs])) as site:
        send(site.port, make_instance(tmp_path / "ct"))
        gate.wait_for(1)
        [job] = site.rows("jobs")
        process = Path(f"/proc/{gate.process(job.id)}")
        assert process.exists()
        assert cancel(site, job) is Job.CANCELLING
        site.wait_for_jobs(1, "cancelled")
        assert not process.exists()

        gate.open()
        with site.database.write() as connection:
            work.ask_retry(connection, job.id, tries=1, now=site.clock())
        site.wait_for_jobs(1)
        assert gate.runs == {job.id: 2}
        assert len(pacs.arrived) == 1


def test_a_queued_job_that_is_cancelled_never_runs(make_site: MakeSite, gate: Gate, tmp_path: Path) -> None:
    with make_site(one_workflow(gate.engine(**{"max-jobs": 1}))) as site:
        send(site.port, make_instance(tmp_path / "first"))
        gate.wait_for(1)
        send(site.port, make_instance(tmp_path / "second"))
        eventually(lambda: states(site) == ["queued", "running"], what="a queued job")
        [first, second] = site.rows("jobs")
        assert cancel(site, second) is Job.CANCELLED
        send(site.port, make_instance(tmp_path / "third"))
        gate.open()
        # The third one waited behind the second.
        site.wait_for_jobs(2)
        assert states(site) == ["cancelled", "complete", "complete"]
        assert second.id not in gate.runs
        assert gate.runs[first.id] == 1
