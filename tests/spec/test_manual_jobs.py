"""The manual way: a job folder, ``job.meta``, results in ``output/``, ``job.done``."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.model import Answer
from spec.job_folder import JobFolder, jobs_of, uids, wait_for_jobs
from spec.sentences import sentence

MakeGateway = Callable[..., Site]

WORKFLOW = "0fcdcdea-89c6-456f-b20a-bc7379c54ef2"


@pytest.fixture
def app_yaml(pacs: Pacs) -> str:
    """One AE title AI, whose workflow's results go to the PACS."""
    return f"""
        dicom:
          scp: {{ae-titles: [{{ae-title: AI}}], reject-unknown-sources: false}}
          scu: {{destinations: [{{name: PACS, host-ip: 127.0.0.1, port: {pacs.port}, ae-title: {pacs.title}}}]}}
        workflows: [{{name: ct, clara-ae-title: AI, destination-name: PACS, workflow: {WORKFLOW}}}]
        """


def arrived(pacs: Pacs) -> set[str]:
    return {one.request.sop_instance for one in pacs.arrived}


@sentence("job-folder", "job-folder.done", "job-folder.scheduled")
def test_a_job_folder_made_by_hand_is_sent_to_the_destination_of_its_workflow(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    results = make_series(tmp_path / "results", 2)
    with gateway(app_yaml) as site:
        JobFolder.by_hand(site.payloads, WORKFLOW, *results)
        eventually(lambda: arrived(pacs) == uids(*results), what="both results")


@sentence("storage.output", "watching")
def test_the_output_folder_is_watched_for_job_folders_as_well(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    result = make_instance(tmp_path / "result")
    with gateway(app_yaml) as site:
        JobFolder.by_hand(site.settings.storage.output, WORKFLOW, result)
        eventually(lambda: arrived(pacs) == uids(result), what="the result")


@pytest.mark.parametrize("meta", [WORKFLOW, f"{WORKFLOW}\n", f"{WORKFLOW}\r\n", "ct"])
@sentence("job-folder.meta")
def test_job_meta_holds_the_uuid_of_the_workflow_or_its_name(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path, meta: str
) -> None:
    with gateway(app_yaml) as site:
        JobFolder.by_hand(site.payloads, meta, make_instance(tmp_path / "result"))
        eventually(lambda: pacs.arrived, what="the result")


@sentence("job-folder.meta")
def test_an_unknown_workflow_in_job_meta_is_told_beside_the_results(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    result = make_instance(tmp_path / "result")
    with gateway(app_yaml) as site:
        job = JobFolder.by_hand(site.payloads, "another", result)
        error = job.output / "job.error"
        assert "another" in eventually(lambda: error.exists() and error.read_text(), what="job.error")
        (job.path / "job.meta").write_text(WORKFLOW)
        error.unlink()
        eventually(lambda: arrived(pacs) == uids(result), what="the result, once job.meta was mended")


@sentence("job-folder.created", "job-folder.meta", "job-folder.output", "workflows.workflow", "storage.payloads")
def test_a_triggered_job_has_a_folder_with_job_meta_and_an_empty_output_folder(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    received, results = make_instance(tmp_path / "ct"), make_series(tmp_path / "results", 2)
    with gateway(app_yaml) as site:
        send(site.port, received, called="AI")
        [job] = wait_for_jobs(site, 1)
        assert job.path.parent == site.payloads
        assert (job.path / "job.meta").read_text() == f"{WORKFLOW}\n"
        assert list(job.output.iterdir()) == []
        job.finish(*results)
        eventually(lambda: arrived(pacs) == uids(*results), what="both results")


@sentence("workflows.workflow", "workflows.name")
def test_without_a_workflow_job_meta_holds_the_name_of_the_mapping(gateway: MakeGateway, tmp_path: Path) -> None:
    keys = """
        dicom: {scp: {ae-titles: [{ae-title: AI}], reject-unknown-sources: false}}
        workflows: [{name: ct, clara-ae-title: AI}]
        """
    with gateway(keys) as site:
        send(site.port, make_instance(tmp_path / "ct"), called="AI")
        assert [job.meta for job in wait_for_jobs(site, 1)] == ["ct"]


@sentence("job-folder.mapped")
def test_a_command_is_told_the_output_folder(gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path) -> None:
    received = make_instance(tmp_path / "ct")
    keys = textwrap.dedent(app_yaml).replace(WORKFLOW, f"{WORKFLOW}, engine: copy")
    keys += """engines: {copy: {type: process, command: [sh, -c, 'cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/']}}"""
    with gateway(keys) as site:
        send(site.port, received, called="AI")
        eventually(lambda: arrived(pacs) == uids(received), what="what the command put there")
        [job] = jobs_of(site)
        assert {path.name for path in job.output.iterdir()} == {received.name, "job.done"}


@sentence("job-folder.done")
def test_nothing_is_sent_before_job_done(gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path) -> None:
    early, done = make_instance(tmp_path / "early"), make_instance(tmp_path / "done")
    with gateway(app_yaml) as site:
        unfinished = JobFolder.begun(site.payloads, WORKFLOW, name="first")
        shutil.copy(early, unfinished.output)
        JobFolder.by_hand(site.payloads, WORKFLOW, done, name="second")
        eventually(lambda: arrived(pacs) == uids(done), what="the result of the job that is done")
        unfinished.finish()
        eventually(lambda: arrived(pacs) == uids(done, early), what="the other result")


@sentence("job-folder.scanned")
def test_all_dicom_files_are_sent_and_no_others(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    one, two, three = (make_instance(tmp_path / "results") for _ in range(3))
    with gateway(app_yaml) as site:
        send(site.port, make_instance(tmp_path / "ct"), called="AI")
        [job] = wait_for_jobs(site, 1)
        (job.output / "report.pdf").write_bytes(b"%PDF-1.7")
        (job.output / "empty.dcm").touch()
        (job.output / "no-suffix").write_bytes(one.read_bytes())
        (job.output / "deeper" / "still").mkdir(parents=True)
        (job.output / "deeper" / "still" / "two.dcm").write_bytes(two.read_bytes())
        job.finish(three)
        site.wait_for_jobs(1)
        assert arrived(pacs) == uids(one, two, three)
        not_sent = {line.subject.rsplit(":", 1)[1] for line in site.history(event="not sent")}
        assert not_sent == {"report.pdf", "empty.dcm"}


@sentence("job-folder.scheduled")
def test_results_are_sent_again_until_the_destination_takes_them(
    gateway: MakeGateway, pacs: Pacs, app_yaml: str, tmp_path: Path
) -> None:
    result = make_instance(tmp_path / "result")
    refuse = iter([0xA700, 0xA700])
    pacs.answer = lambda _request: Answer(status=next(refuse, 0))
    with gateway(app_yaml, environ={"DICOM__SCU__RETRY__WAITS": "[0.05]"}) as site:
        job = JobFolder.by_hand(site.payloads, WORKFLOW, result)
        eventually(lambda: pacs.accepted, what="the result")
        eventually((job.path / "receipt.json").exists, what="the receipt")
    assert [one.answer.status for one in pacs.arrived] == [0xA700, 0xA700, 0]
