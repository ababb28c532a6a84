"""``hilum serve`` as a whole: it starts with its configuration, works, and stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.data import make_instance
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.site import Site
from harness.waiting import eventually
from spec.job_folder import JobFolder
from spec.peers import modality
from spec.sentences import sentence

MakeSite = Callable[..., Site]


@sentence("listening", "watching", "stopping", "scu.at-startup")
def test_once_launched_it_listens_and_watches_until_it_is_stopped(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    site = make_site(
        {
            "dicom": {"scu": {"destinations": [pacs.destination]}},
            "workflows": [
                {"name": "ct", "clara-ae-title": "HILUM", "destination-name": "PACS", "workflow": "wf-1"},
            ],
        }
    )
    before, after = make_instance(tmp_path / "before"), make_instance(tmp_path / "after")
    JobFolder.by_hand(site.payloads, "wf-1", before, name="before")
    with GatewayProcess(site) as gateway:
        eventually(lambda: len(pacs.arrived) == 1, what="the result that waited for the start")
        with modality(gateway.port, called="HILUM") as association:
            assert association.send_c_echo().Status == 0
        JobFolder.by_hand(site.payloads, "wf-1", after, name="after")
        eventually(lambda: len(pacs.arrived) == 2, what="the result that came later")
        assert [one.request.sop_instance for one in pacs.arrived] == [before.stem, after.stem]
        assert gateway.stop() == 0
