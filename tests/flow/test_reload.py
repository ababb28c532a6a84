"""A changed ``app.yaml`` is taken up by a running gateway, and a broken one is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from flow.gate import Gate
from flow.workflows import one_workflow, workflow
from harness.data import make_series
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.sending import association, send, store
from harness.site import Site, data_set_digest, merged
from harness.waiting import eventually
from hilum.association.peer import PermanentRejectError
from hilum.wire import Reject

MakeSite = Callable[..., Site]


def titles(*names: str) -> dict[str, Any]:
    return {"dicom": {"scp": {"ae-titles": [{"ae-title": name} for name in names]}}}


def sources(*names: str) -> dict[str, Any]:
    """The keys of a site that knows its sources."""
    known = [{"host-ip": "127.0.0.1", "ae-title": name} for name in names]
    return {"dicom": {"scp": {"reject-unknown-sources": True, "sources": known}}}


def rejection(port: int, files: Sequence[Path], **titles: str) -> Reject | None:
    """How an association is rejected; ``None`` when it is accepted."""
    try:
        with association(port, files, **titles):
            return None
    except PermanentRejectError as error:
        return error.reject


def reloads(site: Site) -> list[str]:
    """What became of each change of the file."""
    return [line.event for line in site.history(machine="config")]


def test_an_ae_title_that_is_added_is_accepted_and_one_that_is_removed_is_not(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 1)
    with make_site(titles("OLD")) as site:
        assert rejection(site.port, files, called="NEW") == Reject.CALLED_NOT_RECOGNIZED
        site.configure(titles("NEW"))
        eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
        assert rejection(site.port, files, called="NEW") is None
        assert rejection(site.port, files, called="OLD") == Reject.CALLED_NOT_RECOGNIZED


def test_a_source_that_is_removed_is_rejected_and_its_running_association_ends_in_peace(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 2)
    with make_site(sources("KNOWN", "LEAVING")) as site:
        with association(site.port, files, calling="LEAVING") as running:
            assert store(running, files[0]).status == 0
            site.configure(sources("KNOWN"))
            eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
            assert rejection(site.port, files, calling="LEAVING") == Reject.CALLING_NOT_RECOGNIZED
            assert store(running, files[1]).status == 0
        assert rejection(site.port, files, calling="KNOWN") is None
        [row] = eventually(lambda: site.rows("associations", state="released"), what="the release")
        assert (row.calling, row.instances) == ("LEAVING", 2)


@pytest.mark.parametrize(
    "text",
    ["dicom: [", "dicom: {scp: {ports: 104}}\n", ""],
    ids=["no YAML", "an unknown key", "an empty file"],
)
def test_a_broken_file_changes_nothing_and_is_in_the_history(make_site: MakeSite, tmp_path: Path, text: str) -> None:
    files = make_series(tmp_path / "ct", 1)
    with make_site(one_workflow()) as site:
        site.path.write_text(text)
        eventually(lambda: reloads(site) == ["refused"], what="the refusal")
        [line] = site.history(machine="config")
        assert site.path.name in line.why
        assert line.remedy
        send(site.port, *files)
        site.wait_for_jobs(1)

        site.configure(titles("MENDED"))
        eventually(lambda: reloads(site) == ["refused", "reloaded"], what="the mended configuration")
        assert rejection(site.port, files, called="MENDED") is None


def test_workflows_engines_and_destinations_are_those_of_the_newest_file(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 2)
    with Pacs("FIRST") as first, Pacs("SECOND") as second, make_site(one_workflow(to=[first])) as site:
        send(site.port, *files)
        site.wait_for_jobs(1)
        site.configure(
            {
                "dicom": {"scu": {"destinations": [second.destination]}},
                "workflows": [workflow("two", engine="link", to=[second])],
                "engines": {"link": {"type": "process", "command": ["sh", "-c", "ln {input}/* {output}/"]}},
            }
        )
        eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
        send(site.port, *files)
        assert [job.workflow for job in site.wait_for_jobs(2)] == ["wf-one", "wf-two"]
        sent = sorted(map(data_set_digest, files))
        assert sorted(one.digest for one in first.accepted) == sent
        assert sorted(one.digest for one in second.accepted) == sent


def test_a_running_job_goes_on_by_the_file_it_began_with(make_site: MakeSite, gate: Gate, tmp_path: Path) -> None:
    with make_site(one_workflow(gate.engine())) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        gate.wait_for(1)
        site.configure(one_workflow(gate.engine(timeout=7200)))
        eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
        gate.open()
        [job] = site.wait_for_jobs(1)
        assert gate.runs == {job.id: 1}


def test_a_link_that_is_turned_to_another_file_is_noticed(make_site: MakeSite, tmp_path: Path) -> None:
    """As Kubernetes changes a mounted ConfigMap."""
    files = make_series(tmp_path / "ct", 1)
    site = make_site(titles("OLD"))
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    site.path.rename(old)
    site.path.symlink_to(old)
    with site:
        new.write_text(old.read_text().replace("OLD", "NEW"))
        turned = tmp_path / "turned"
        turned.symlink_to(new)
        turned.replace(site.path)
        eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
        assert rejection(site.port, files, called="NEW") is None


def test_what_needs_a_restart_waits_for_it_and_the_history_says_so(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 1)
    with make_site(titles("OLD")) as site:
        site.configure(merged(titles("NEW"), {"dicom": {"scp": {"port": 11112}}}))
        eventually(lambda: reloads(site) == ["reloaded"], what="the new configuration")
        [line] = site.history(machine="config")
        assert line.remedy == "restart for: dicom.scp.port"
        assert rejection(site.port, files, called="NEW") is None


def test_sighup_reloads(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 1)
    site = make_site(titles("OLD"))
    with GatewayProcess(site) as gateway:
        # The file looks as before from outside, so that it takes the signal.
        before = site.path.stat()
        site.path.write_text(site.path.read_text().replace("OLD", "NEW"))
        os.utime(site.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: rejection(gateway.port, files, called="NEW") is None, what="the new AE title")
        assert rejection(gateway.port, files, called="OLD") == Reject.CALLED_NOT_RECOGNIZED
        assert gateway.stop() == 0
