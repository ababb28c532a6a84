"""``timeout`` and ``timeout-group``: which instances become one job, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.sending import association, send, store
from harness.site import Site
from spec.job_folder import batches, jobs_of, uids, wait_for_jobs
from spec.sentences import sentence

MakeGateway = Callable[..., Site]


def app_yaml(keys: str = "") -> str:
    """Two AE titles with a workflow each: AI with these keys, and OTHER with the defaults."""
    return f"""
        dicom:
          scp:
            ae-titles: [{{ae-title: AI, {keys}}}, {{ae-title: OTHER}}]
            reject-unknown-sources: false
        workflows:
          - {{name: ct, clara-ae-title: AI, workflow: wf-1}}
          - {{name: other, clara-ae-title: OTHER, workflow: wf-2}}
        """


def in_order(*jobs: set[str]) -> list[set[str]]:
    return sorted(jobs, key=sorted)


@sentence("timeout.zero", "timeout-group.default")
def test_without_a_timeout_each_association_is_a_request_of_its_own(gateway: MakeGateway, tmp_path: Path) -> None:
    first = [make_instance(tmp_path / "one", patient="ANN"), make_instance(tmp_path / "one", patient="BOB")]
    second = make_instance(tmp_path / "two", patient="ANN")
    with gateway(app_yaml()) as site:
        send(site.port, *first, called="AI")
        send(site.port, second, called="AI")
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(*first), uids(second))


@sentence("timeout")
def test_a_request_is_made_for_all_instances_when_none_came_within_the_timeout(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    files, other = make_series(tmp_path / "ct", 3), make_instance(tmp_path / "other")
    with gateway(app_yaml("timeout: 100"), clock=clock) as site:
        for path in files:
            send(site.port, path, called="AI")
            clock.move(90)
        send(site.port, other, called="OTHER")
        assert batches(wait_for_jobs(site, 1)) == [uids(other)], "90 s after the last instance there is no request"
        clock.move(11)
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(*files), uids(other))


@sentence("timeout")
def test_what_comes_after_the_timeout_is_another_request(gateway: MakeGateway, clock: Hands, tmp_path: Path) -> None:
    early, late = make_instance(tmp_path / "early"), make_instance(tmp_path / "late")
    with gateway(app_yaml("timeout: 100"), clock=clock) as site:
        send(site.port, early, called="AI")
        clock.move(101)
        send(site.port, late, called="AI")
        clock.move(101)
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(early), uids(late))


@sentence("timeout")
def test_the_timeout_does_not_run_out_while_an_association_still_sends(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    files, other = make_series(tmp_path / "ct", 2), make_instance(tmp_path / "other")
    with gateway(app_yaml("timeout: 100"), clock=clock) as site:
        with association(site.port, files, called="AI") as slow:
            store(slow, files[0])
            clock.move(1000)
            send(site.port, other, called="OTHER")
            assert batches(wait_for_jobs(site, 1)) == [uids(other)]
            store(slow, files[1])
        clock.move(101)
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(*files), uids(other))


@sentence("timeout.several", "timeout-group.association")
def test_association_groups_whatever_comes_within_the_timeout_over_any_association(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    files = [make_instance(tmp_path / "ct", patient=patient) for patient in ("ANN", "BOB", "CID")]
    with gateway(app_yaml("timeout: 100, timeout-group: Association"), clock=clock) as site:
        for path, calling in zip(files, ("CT1", "CT2", "CT1"), strict=True):
            send(site.port, path, called="AI", calling=calling)
        assert jobs_of(site) == []
        clock.move(101)
        assert batches(wait_for_jobs(site, 1)) == [uids(*files)]


@sentence("timeout-group.patient")
def test_patient_groups_instances_with_the_same_patient_id_received_within_the_timeout(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    ann = [make_instance(tmp_path / "ann", patient="ANN") for _ in range(3)]
    bob = [make_instance(tmp_path / "bob", patient="BOB") for _ in range(2)]
    with gateway(app_yaml("timeout: 100, timeout-group: Patient"), clock=clock) as site:
        send(site.port, ann[0], bob[0], called="AI")
        send(site.port, bob[1], ann[1], called="AI", calling="CT2")
        send(site.port, ann[2], called="AI")
        clock.move(101)
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(*ann), uids(*bob))


@pytest.mark.parametrize("kind", ["Study", "Series"])
@sentence("timeout-group.patient")
def test_study_and_series_group_as_patient_does(gateway: MakeGateway, clock: Hands, tmp_path: Path, kind: str) -> None:
    one, two = (make_series(tmp_path / str(number), 2, patient="ANN") for number in range(2))
    with gateway(app_yaml(f"timeout: 100, timeout-group: {kind}"), clock=clock) as site:
        send(site.port, one[0], two[0], called="AI")
        send(site.port, two[1], one[1], called="AI")
        clock.move(101)
        assert batches(wait_for_jobs(site, 2)) == in_order(uids(*one), uids(*two))


@sentence("timeout-group.windows")
def test_without_a_timeout_patient_joins_no_associations_but_tells_patients_apart(
    gateway: MakeGateway, tmp_path: Path
) -> None:
    ann, bob, again = (make_instance(tmp_path / "ct", patient=patient) for patient in ("ANN", "BOB", "ANN"))
    with gateway(app_yaml("timeout-group: Patient")) as site:
        send(site.port, ann, bob, called="AI")
        send(site.port, again, called="AI")
        assert batches(wait_for_jobs(site, 3)) == in_order(uids(ann), uids(bob), uids(again))
