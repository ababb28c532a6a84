"""What becomes of an instance that was received: the keys of an AE title, the spool, the payload."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.sending import association, send, store
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from spec.job_folder import jobs_of, uids, wait_for_jobs
from spec.peers import CT_IMAGE_STORAGE, MR_IMAGE_STORAGE, lose, modality
from spec.real_files import real_files, syntax_and_uid
from spec.sentences import sentence

MakeGateway = Callable[..., Site]


def app_yaml(keys: str = "") -> str:
    return f"""
        dicom:
          scp:
            ae-titles: [{{ae-title: AI, {keys}}}, {{ae-title: OTHER}}]
            reject-unknown-sources: false
        workflows:
          - {{name: ct, clara-ae-title: AI, workflow: wf-1}}
          - {{name: other, clara-ae-title: OTHER, workflow: wf-2}}
        """


def spooled(site: Site) -> list[Path]:
    """Complete instances below ``storage.temporary``."""
    # Not by glob: it cannot stand folders that go away while it looks.
    return sorted(Path(root, name) for root, _, names in os.walk(site.spool) for name in names if name.endswith(".dcm"))


@sentence("scp.stored-at-once", "storage.temporary")
def test_an_instance_is_in_the_temporary_folder_when_it_is_answered(gateway: MakeGateway, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 2)
    with gateway(app_yaml()) as site, association(site.port, files, called="AI") as still_open:
        for count, path in enumerate(files, 1):
            assert store(still_open, path).status == 0
            stored = spooled(site)
            assert len(stored) == count
            assert data_set_digest(path) in map(data_set_digest, stored)


@sentence("scp.to-payloads", "storage.payloads")
def test_all_instances_are_moved_to_the_payloads_after_the_timeout(
    gateway: MakeGateway, clock: Hands, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 3)
    with gateway(app_yaml("timeout: 100"), clock=clock) as site:
        send(site.port, *files, called="AI")
        assert (len(spooled(site)), jobs_of(site)) == (3, [])
        clock.move(101)
        [job] = wait_for_jobs(site, 1)
        assert job.instances == uids(*files)
        eventually(lambda: not spooled(site), what="an empty temporary folder")
        assert {data_set_digest(path) for path in job.inputs} == {data_set_digest(path) for path in files}


@sentence("scp.original-syntax", "scp.no-decoding", "part-10")
def test_instances_are_stored_as_they_came_in_their_original_transfer_syntax(gateway: MakeGateway) -> None:
    files = real_files()
    with gateway(app_yaml()) as site:
        for path in files:
            # One by one: some of the files have the same SOP Instance UID.
            assert [answer.status for answer in send(site.port, path, called="AI")] == [0]
        jobs = wait_for_jobs(site, len(files))
    received = {syntax_and_uid(path): path for job in jobs for path in job.inputs}
    for sent in files:
        stored = received.pop(syntax_and_uid(sent))
        assert pydicom.dcmread(stored) == pydicom.dcmread(sent)
        if sent.name != "image_dfl.dcm":  # gets the byte that its sender must add to make its length even
            assert data_set_digest(stored) == data_set_digest(sent)
    assert received == {}


@pytest.mark.parametrize("overwrite", [False, True])
@sentence("overwrite-same-instance", "overwrite-same-instance.default")
def test_an_instance_with_the_same_uid_overwrites_the_first_if_configured(
    gateway: MakeGateway, clock: Hands, tmp_path: Path, *, overwrite: bool
) -> None:
    first = make_instance(tmp_path / "first", fill=1)
    last = make_instance(tmp_path / "last", fill=2, sop_instance=uids(first).pop())
    keys = "timeout: 100, overwrite-same-instance: true" if overwrite else "timeout: 100"
    with gateway(app_yaml(keys), clock=clock) as site:
        answers = [answer for path in (first, last) for answer in send(site.port, path, called="AI")]
        assert [answer.status for answer in answers] == [0, 0]
        clock.move(101)
        [job] = wait_for_jobs(site, 1)
        assert list(map(data_set_digest, job.inputs)) == [data_set_digest(last if overwrite else first)]


@pytest.mark.parametrize("ignored", [MR_IMAGE_STORAGE, "MRImageStorage"])
@sentence("ignored-sop-classes", "ignored-sop-classes.default", "scp.ignoring")
def test_an_ignored_sop_class_is_answered_with_success_and_not_stored(
    gateway: MakeGateway, tmp_path: Path, ignored: str
) -> None:
    ct = make_instance(tmp_path / "ct", sop_class=CT_IMAGE_STORAGE)
    mr = make_instance(tmp_path / "mr", sop_class=MR_IMAGE_STORAGE)
    with gateway(app_yaml(f"ignored-sop-classes: ['{ignored}']")) as site:
        with association(site.port, [ct, mr], called="AI") as one:
            assert [store(one, path).status for path in (mr, ct)] == [0, 0]
            assert list(map(data_set_digest, spooled(site))) == [data_set_digest(ct)]
        send(site.port, mr, called="OTHER")
        jobs = {job.meta: job.instances for job in wait_for_jobs(site, 2)}
        assert jobs == {"wf-1": uids(ct), "wf-2": uids(mr)}, "each AE title has a list of its own"


@sentence("processors", "processors.job")
def test_processors_are_executed_after_release_and_the_job_processor_triggers_the_mapped_workflow(
    gateway: MakeGateway, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "ct")
    names = "'Nvidia.Clara.Dicom.Processors.JobProcessor,Nvidia.Clara.DicomServer', 'spec.second_reading:SecondReading'"
    with gateway(app_yaml(f"processors: [{names}]")) as site:
        with association(site.port, [path], called="AI") as one:
            store(one, path)
            assert jobs_of(site) == []
        jobs = wait_for_jobs(site, 2)
        assert [job.instances for job in jobs] == [uids(path)] * 2
        assert {job.meta for job in jobs} == {"wf-1", "second-reading"}


@sentence("processors", "processors.job")
def test_without_the_job_processor_no_workflow_is_triggered(gateway: MakeGateway, tmp_path: Path) -> None:
    path, other = make_instance(tmp_path / "ct"), make_instance(tmp_path / "other")
    with gateway(app_yaml("processors: []")) as site:
        send(site.port, path, called="AI")
        send(site.port, other, called="OTHER")
        [job] = wait_for_jobs(site, 1)
        assert job.meta == "wf-2"
        eventually(lambda: [g.state for g in site.rows("groups")] == ["stored only", "planned"], what="both decided")
        eventually(lambda: len(spooled(site)) == 1, what="only what no job has in the temporary folder")
        assert list(map(data_set_digest, spooled(site))) == [data_set_digest(path)]


@pytest.mark.parametrize("how", ["aborted", "lost"])
@sentence("scp.released", "scp.aborted")
def test_an_association_that_is_not_released_reaches_no_workflow_and_is_removed_after_a_configured_time(
    gateway: MakeGateway, clock: Hands, tmp_path: Path, how: str
) -> None:
    broken, good = make_instance(tmp_path / "broken"), make_instance(tmp_path / "good")
    with gateway(app_yaml(), environ={"DICOM__SCP__ABORTED_RETENTION": 600}, clock=clock) as site:
        _send_and_break(site, broken, how)
        eventually(lambda: site.history(to_state="held"), what="its being held in the history")
        assert [path.relative_to(site.spool).parts[0] for path in spooled(site)] == ["held"]
        clock.move(590)
        send(site.port, good, called="AI")
        [job] = wait_for_jobs(site, 1)
        assert job.instances == uids(good)
        eventually(lambda: len(spooled(site)) == 1, what="only the held instance in the temporary folder")
        clock.move(11)
        eventually(lambda: not spooled(site), what="an empty temporary folder")
        assert len(jobs_of(site)) == 1


@pytest.mark.parametrize("how", ["aborted", "lost"])
@sentence("scp.released", "scp.aborted")
def test_an_association_that_is_not_released_is_removed_at_once_if_configured(
    gateway: MakeGateway, tmp_path: Path, how: str
) -> None:
    broken, good = make_instance(tmp_path / "broken"), make_instance(tmp_path / "good")
    with gateway(app_yaml(), environ={"DICOM__SCP__ABORTED_RETENTION": 0}) as site:
        _send_and_break(site, broken, how)
        eventually(lambda: site.history(to_state="removed"), what="its removal in the history")
        assert spooled(site) == []
        send(site.port, good, called="AI")
        [job] = wait_for_jobs(site, 1)
        assert job.instances == uids(good)


@sentence("scp.released")
def test_an_association_that_is_not_released_is_taken_all_the_same_if_configured(
    gateway: MakeGateway, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "ct")
    with gateway(app_yaml("aborted-associations: accept")) as site:
        _send_and_break(site, path, "aborted")
        [job] = wait_for_jobs(site, 1)
        assert job.instances == uids(path)


def _send_and_break(site: Site, path: Path, how: str) -> None:
    data = pydicom.dcmread(path)
    with modality(site.port, (data.SOPClassUID, [data.file_meta.TransferSyntaxUID])) as broken:
        assert broken.send_c_store(data).Status == 0
        assert len(spooled(site)) == 1
        if how == "aborted":
            broken.abort()
        else:
            lose(broken)
