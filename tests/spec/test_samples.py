"""The three sample files of the specification, byte by byte; only addresses are told by the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from spec.command_line import check
from spec.job_folder import batches, jobs_of, uids, wait_for_jobs
from spec.peers import REJECTED_CALLING, rejection
from spec.sentences import sentence

SAMPLES = Path(__file__).parents[1] / "unit" / "config" / "spec"
MAPPING = SAMPLES / "app.yaml"
BY_ASSOCIATION = SAMPLES / "app-association-timeout.yaml"
BY_PATIENT = SAMPLES / "app-patient-timeout.yaml"

#: The device of the samples is at home on this machine.
HERE = {"DICOM__SCP__SOURCES__0__HOST_IP": "127.0.0.1"}
DEVICE = {"calling": "DCM4CHEE", "called": "NVIDIADGX100"}
FIRST, SECOND = "0fcdcdea-89c6-456f-b20a-bc7379c54ef2", "3c9d3b93-86d4-4bc2-b89b-7a12de9f7bda"

MakeGateway = Callable[..., Site]


def destination(number: int, pacs: Pacs) -> dict[str, Any]:
    """Where one of the sample's destinations is today."""
    prefix = f"DICOM__SCU__DESTINATIONS__{number}"
    return {f"{prefix}__HOST_IP": "127.0.0.1", f"{prefix}__PORT": pacs.port}


@sentence("mapping", "app-yaml")
def test_the_sample_with_two_ae_titles_and_a_workflow_each_loads_unchanged() -> None:
    found = check(MAPPING)
    assert found["valid"], found
    assert found["problems"] == found["faults"] == []
    settings = found["settings"]
    scp, scu = settings["dicom"]["scp"], settings["dicom"]["scu"]
    assert (scp["port"], scp["max-associations"]) == (104, 2)
    assert [ae["ae-title"] for ae in scp["ae-titles"]] == ["NVIDIADGX100", "NVIDIADGX101"]
    assert scp["sources"] == [{"host-ip": "10.20.30.1", "ae-title": "DCM4CHEE"}]
    assert (scu["ae-title"], scu["max-associations"]) == ("ClaraSCU", 2)
    assert [(one["name"], one["ae-title"]) for one in scu["destinations"]] == [
        ("MyOrthanc", "ORTHANC"),
        ("PACS", "DCM4CHEE"),
    ]
    assert [(one["clara-ae-title"], one["workflow"]) for one in settings["workflows"]] == [
        ("NVIDIADGX100", FIRST),
        ("NVIDIADGX101", SECOND),
    ]


@sentence("mapping.source")
def test_associations_are_accepted_from_the_source_with_its_title_and_address(gateway: MakeGateway) -> None:
    with gateway(MAPPING) as elsewhere:
        assert rejection(elsewhere.port, **DEVICE) == REJECTED_CALLING  # the sample has the device at 10.20.30.1
    with gateway(MAPPING, environ=HERE) as site:
        assert rejection(site.port, **DEVICE) is None
        assert rejection(site.port, **DEVICE | {"calling": "STRANGER"}) == REJECTED_CALLING


@sentence("mapping.batch")
def test_what_is_sent_in_one_association_is_one_batch(gateway: MakeGateway, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 3)
    with gateway(MAPPING, environ=HERE) as site:
        send(site.port, *files, **DEVICE)
        assert batches(wait_for_jobs(site, 1)) == [uids(*files)]


@sentence("mapping.trigger")
def test_the_workflow_is_triggered_when_the_association_is_closed(gateway: MakeGateway, tmp_path: Path) -> None:
    slow, quick = make_instance(tmp_path / "slow"), make_instance(tmp_path / "quick")
    with gateway(MAPPING, environ=HERE) as site:
        with association(site.port, [slow], **DEVICE) as still_open:
            store(still_open, slow)
            send(site.port, quick, **DEVICE)
            [first] = wait_for_jobs(site, 1)
            assert first.instances == uids(quick), "the other association is not closed yet"
        jobs = wait_for_jobs(site, 2)
        assert batches(jobs) == sorted([uids(quick), uids(slow)], key=sorted)
        assert {job.meta for job in jobs} == {FIRST}


@sentence("mapping.results", "mapping.routes")
def test_results_go_to_the_destination_of_the_ae_titles_workflow(gateway: MakeGateway, tmp_path: Path) -> None:
    one, two = make_instance(tmp_path / "one"), make_instance(tmp_path / "two")
    with Pacs("ORTHANC") as orthanc, Pacs("DCM4CHEE") as pacs:
        with gateway(MAPPING, environ=HERE | destination(0, orthanc) | destination(1, pacs)) as site:
            send(site.port, one, **DEVICE)
            send(site.port, two, **DEVICE | {"called": "NVIDIADGX101"})
            jobs = {job.meta: job for job in wait_for_jobs(site, 2)}
            assert jobs[FIRST].instances == uids(one)
            assert jobs[SECOND].instances == uids(two)
            for job in jobs.values():
                job.finish(*job.inputs)
            eventually(lambda: orthanc.arrived and pacs.arrived, what="a result at each destination")
        assert [result.digest for result in orthanc.arrived] == [data_set_digest(one)]
        assert [result.digest for result in pacs.arrived] == [data_set_digest(two)]
        assert {result.association.calling for result in orthanc.arrived + pacs.arrived} == {"ClaraSCU"}


@sentence("by-association", "by-association.several", "by-association.elapsed")
def test_files_of_several_associations_are_one_job_when_the_timeout_has_elapsed(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 3)
    with gateway(BY_ASSOCIATION, environ=HERE, clock=clock) as site:
        for path in files:
            clock.move(200)
            send(site.port, path, **DEVICE)
        assert jobs_of(site) == []
        clock.move(301)
        [job] = wait_for_jobs(site, 1)
        assert (job.instances, job.meta) == (uids(*files), FIRST)


@sentence("by-patient", "by-patient.grouped", "by-patient.timers", "by-patient.elapsed")
def test_each_patient_is_a_job_when_nothing_of_it_came_within_the_timeout(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    ann = [make_instance(tmp_path / "ann", patient="ANN") for _ in range(2)]
    bob = [make_instance(tmp_path / "bob", patient="BOB") for _ in range(2)]
    with gateway(BY_PATIENT, environ=HERE, clock=clock) as site:
        send(site.port, *ann, bob[0], **DEVICE)
        clock.move(200)
        send(site.port, bob[1], **DEVICE)
        clock.move(101)
        assert batches(wait_for_jobs(site, 1)) == [uids(*ann)], "Ann's timer is over, Bob's began anew"
        clock.move(200)
        assert batches(wait_for_jobs(site, 2)) == sorted([uids(*ann), uids(*bob)], key=sorted)
