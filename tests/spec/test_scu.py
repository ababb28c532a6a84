"""The storage SCU: where results go, and how. Results lie in job folders that a workflow has finished."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AllStoragePresentationContexts

from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from spec.job_folder import JobFolder, uids
from spec.peers import REJECTED_CALLED, Archive, rejection
from spec.real_files import real_files, syntax_and_uid
from spec.sentences import sentence

MakeGateway = Callable[..., Site]


def app_yaml(destinations: str, scu: str = "") -> str:
    """One workflow wf-1, whose results go to the destination ARCHIVE."""
    return f"""
        dicom:
          scp: {{ae-titles: [{{ae-title: AI}}], reject-unknown-sources: false}}
          scu: {{{scu} destinations: [{destinations}]}}
        workflows: [{{name: ct, clara-ae-title: AI, destination-name: ARCHIVE, workflow: wf-1}}]
        """


@sentence("scu.pushes", "dicom", "part-10", "destinations.port")
def test_results_are_pushed_to_the_destination_by_c_store(
    gateway: MakeGateway, archive: Archive, tmp_path: Path
) -> None:
    results = make_series(tmp_path / "results", 3)
    with gateway(app_yaml(archive.entry())) as site:
        JobFolder.by_hand(site.payloads, "wf-1", *results)
        eventually(lambda: len(archive.stored) == 3, what="three results")
    assert {one.sop_instance for one in archive.stored} == uids(*results)
    assert len(archive.callers) == 1, "one association for all results of a job"


@sentence("scu.as-is", "scu.stored-syntax")
def test_results_are_sent_as_they_are_in_their_transfer_syntax(gateway: MakeGateway, archive: Archive) -> None:
    files = real_files()
    with gateway(app_yaml(archive.entry())) as site:
        JobFolder.by_hand(site.payloads, "wf-1", *files)
        eventually(lambda: len(archive.stored) == len(files), what="a C-STORE for each file")
    arrived = {(one.transfer_syntax, one.sop_instance): one.data_set for one in archive.stored}
    for path in files:
        data_set = arrived.pop(syntax_and_uid(path))
        if path.name == "image_dfl.dcm":
            data_set = data_set[:-1]  # the byte that makes its length even
        assert hashlib.sha256(data_set).hexdigest() == data_set_digest(path)
    assert arrived == {}


@sentence("scu.storage-classes")
def test_all_storage_sop_classes_are_sent(gateway: MakeGateway, archive: Archive, tmp_path: Path) -> None:
    classes = [context.abstract_syntax for context in AllStoragePresentationContexts]
    results = [make_instance(tmp_path / "results", sop_class=one, size=2) for one in classes]
    with gateway(app_yaml(archive.entry())) as site:
        JobFolder.by_hand(site.payloads, "wf-1", *results)
        eventually(lambda: len(archive.stored) == len(results), what="a C-STORE for each SOP class")
    assert {one.sop_class for one in archive.stored} == set(classes)


@pytest.mark.parametrize("key", ["", "ae-title: CLARA,"])
@sentence("scu.ae-title", "scu.one-title", "destinations.ae-title")
def test_the_scu_calls_the_destinations_ae_title_by_its_own_configured_one(
    gateway: MakeGateway, archive: Archive, tmp_path: Path, key: str
) -> None:
    with gateway(app_yaml(archive.entry(), key)) as site:
        JobFolder.by_hand(site.payloads, "wf-1", make_instance(tmp_path / "result"))
        eventually(lambda: archive.stored, what="the result")  # the archive takes nobody who calls another title
    assert [one.ae_title for one in archive.callers] == ["CLARA" if key else "ClaraSCU"]


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "localhost"])
@sentence("destinations.host-ip")
def test_a_destination_is_found_by_its_ip_address_or_host_name(
    gateway: MakeGateway, archive: Archive, tmp_path: Path, host_ip: str
) -> None:
    with gateway(app_yaml(archive.entry().replace("127.0.0.1", host_ip))) as site:
        JobFolder.by_hand(site.payloads, "wf-1", make_instance(tmp_path / "result"))
        eventually(lambda: archive.stored, what="the result")


@sentence(
    "scu.several", "destinations.name", "workflows.destination-name", "workflows.destination", "one-workflow-each"
)
def test_workflows_choose_among_several_destinations_by_name(
    gateway: MakeGateway, archive: Archive, tmp_path: Path
) -> None:
    with Pacs("SECOND") as second, Pacs("THIRD") as third:
        others = ", ".join(
            f"{{name: {name}, host-ip: 127.0.0.1, port: {one.port}, ae-title: {one.title}}}"
            for name, one in (("The second", second), ("The third", third))
        )
        keys = f"""
            dicom:
              scp: {{ae-titles: [{{ae-title: AI}}], reject-unknown-sources: false}}
              scu: {{destinations: [{archive.entry("The first")}, {others}]}}
            workflows:
              - {{name: one, clara-ae-title: AI, destination-name: The first, workflow: wf-1}}
              - {{name: two, clara-ae-title: AI, destination: The second, workflow: wf-2}}
              - {{name: three, clara-ae-title: AI, destination-name: [The second, The third], workflow: wf-3}}
              - {{name: four, clara-ae-title: AI, workflow: wf-4}}
            """
        results = [make_instance(tmp_path / "results") for _ in range(4)]
        with gateway(keys) as site:
            for number, path in enumerate(results, 1):
                JobFolder.by_hand(site.payloads, f"wf-{number}", path, name=f"job-{number}")
            site.wait_for_jobs(4)
        assert [one.sop_instance for one in archive.stored] == [results[0].stem]
        assert sorted(one.request.sop_instance for one in second.arrived) == sorted(one.stem for one in results[1:3])
        assert [one.request.sop_instance for one in third.arrived] == [results[2].stem]


@pytest.mark.parametrize(("key", "limit"), [("", 2), ("max-associations: 1,", 1), ("max-associations: 3,", 3)])
@sentence("scu.max-associations", "scu.max-associations.default", "scu.two")
def test_never_more_associations_are_open_than_configured(
    gateway: MakeGateway, archive: Archive, tmp_path: Path, key: str, limit: int
) -> None:
    # One destination under several names, so that it is the sum over all of them that counts.
    names = [f"ARCHIVE{number}" for number in range(2 * limit)]
    keys = f"""
        dicom:
          scp: {{ae-titles: [{{ae-title: AI}}], reject-unknown-sources: false}}
          scu: {{{key} destinations: [{", ".join(map(archive.entry, names))}]}}
        workflows: [{{name: ct, clara-ae-title: AI, destination-name: [{", ".join(names)}], workflow: wf-1}}]
        """
    archive.hold()
    with gateway(keys) as site:
        JobFolder.by_hand(site.payloads, "wf-1", make_instance(tmp_path / "result"))
        eventually(lambda: archive.open == limit, what=f"{limit} open associations")
        eventually(
            lambda: sum(one.lease_owner is not None for one in site.rows("deliveries")) == len(names),
            what="all deliveries under way or waiting for a free association",
        )
        assert archive.open == limit
        archive.answer()
        eventually(lambda: len(archive.stored) == len(names), what="all results")
    assert archive.most == limit


@sentence("scu.never-accepts")
def test_the_scu_does_not_accept_associations(gateway: MakeGateway) -> None:
    keys = "dicom: {scp: {ae-titles: [{ae-title: AI}], reject-unknown-sources: false}, scu: {ae-title: CLARA}}"
    with gateway(keys) as site:
        assert rejection(site.port, called="CLARA") == REJECTED_CALLED


@sentence("scu.synchronous")
def test_one_instance_is_sent_after_the_other_was_answered(
    gateway: MakeGateway, archive: Archive, tmp_path: Path
) -> None:
    archive.hold()
    with gateway(app_yaml(archive.entry())) as site:
        JobFolder.by_hand(site.payloads, "wf-1", *make_series(tmp_path / "results", 3))
        for count in range(1, 4):
            eventually(lambda: archive.waiting, what="an instance that is not answered")
            archive.answer(1)
            eventually(lambda count=count: len(archive.stored) == count, what=f"instance {count}")
    assert archive.early == 0
    assert [one.window for one in archive.callers] == [(1, 1)]


@sentence("scu.implementation")
def test_the_scu_names_itself_and_not_another_implementation(
    gateway: MakeGateway, archive: Archive, tmp_path: Path
) -> None:
    with gateway(app_yaml(archive.entry())) as site:
        JobFolder.by_hand(site.payloads, "wf-1", make_instance(tmp_path / "result"))
        eventually(lambda: archive.stored, what="the result")
    [caller] = archive.callers
    assert caller.class_uid.startswith("2.25.")
    assert caller.version_name.startswith("HILUM")


@sentence("destinations.optional")
def test_without_destinations_results_stay_in_their_folder(gateway: MakeGateway, tmp_path: Path) -> None:
    keys = """
        dicom: {scp: {ae-titles: [{ae-title: AI}], reject-unknown-sources: false}}
        workflows: [{name: ct, clara-ae-title: AI, workflow: wf-1}]
        """
    with gateway(keys) as site:
        result = make_instance(tmp_path / "result")
        job = JobFolder.by_hand(site.payloads, "wf-1", result)
        site.wait_for_jobs(1)
        assert (job.output / result.name).read_bytes() == result.read_bytes()
