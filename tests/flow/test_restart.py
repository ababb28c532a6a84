"""The gateway stops or is killed while a job runs: the job goes on, runs once, and its results are delivered once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flow.gate import Gate
from flow.workflows import one_workflow
from harness.data import make_series
from harness.pacs import SUCCESS, Pacs
from harness.process import GatewayProcess
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.model import Answer, StoreRequest

MakeSite = Callable[..., Site]


def end(gateway: GatewayProcess, *, orderly: bool) -> None:
    if orderly:
        assert gateway.stop() == 0
    else:
        gateway.kill()


@pytest.mark.parametrize("orderly", [True, False], ids=["stopped", "killed"])
@pytest.mark.parametrize("meanwhile", [True, False], ids=["ends without the gateway", "ends after the restart"])
def test_a_job_goes_on_while_its_gateway_is_away(
    make_site: MakeSite, gate: Gate, pacs: Pacs, tmp_path: Path, *, orderly: bool, meanwhile: bool
) -> None:
    files = make_series(tmp_path / "ct", 3)
    site = make_site(one_workflow(gate.engine(), to=[pacs]))
    with GatewayProcess(site) as gateway:
        send(gateway.port, *files)
        gate.wait_for(1)
        end(gateway, orderly=orderly)
    if meanwhile:
        gate.open()
        eventually(lambda: list(site.payloads.glob("*/output/job.done")), what="the end of the job")
    with site:
        if not meanwhile:
            eventually(lambda: site.rows("jobs", state="running"), what="the job, known as running")
            gate.open()
        [job] = site.wait_for_jobs(1)
        assert job.attempt == 1
        assert gate.runs == {job.id: 1}
        assert sorted(one.digest for one in pacs.arrived) == sorted(map(data_set_digest, files))


def test_jobs_that_were_queued_when_the_gateway_was_killed_run_after_the_restart(
    make_site: MakeSite, gate: Gate, pacs: Pacs, tmp_path: Path
) -> None:
    series = [make_series(tmp_path / str(number), 2) for number in range(3)]
    site = make_site(one_workflow(gate.engine(**{"max-jobs": 1}), to=[pacs]))
    with GatewayProcess(site) as gateway:
        for files in series:
            send(gateway.port, *files)
        gate.wait_for(1)
        gateway.kill()
    with site:
        gate.open()
        jobs = site.wait_for_jobs(3)
        assert gate.runs == {job.id: 1 for job in jobs}
        sent = [data_set_digest(path) for files in series for path in files]
        assert sorted(one.digest for one in pacs.arrived) == sorted(sent)


def test_what_a_pacs_had_accepted_when_the_gateway_was_killed_is_not_sent_again(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 5)
    site = make_site(one_workflow(to=[pacs]))
    with GatewayProcess(site) as gateway:

        def kill_before_the_third_answer(_request: StoreRequest) -> Answer:
            if len(pacs.arrived) == 2:
                gateway.kill()
            return SUCCESS

        pacs.answer = kill_before_the_third_answer
        send(gateway.port, *files)
        eventually(lambda: gateway.process.poll() is not None, what="the kill")
    pacs.answer = lambda _request: SUCCESS
    with site:
        site.wait_for_jobs(1)
        times_sent = Counter(one.digest for one in pacs.arrived)
        # The answer to the third one never reached the gateway, so it cannot know whether that one was taken.
        assert sorted(times_sent.values()) == [1, 1, 1, 1, 2]
        assert times_sent.keys() == set(map(data_set_digest, files))
