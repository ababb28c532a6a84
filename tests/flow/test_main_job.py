"""From a modality to a workflow and back to the PACS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness.data import make_series, read
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually


def test_a_released_series_runs_its_workflow_and_the_results_reach_the_pacs(
    make_site: Callable[..., Site], pacs: Pacs, tmp_path: Path
) -> None:
    keys = {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [
            {
                "name": "back",
                "clara-ae-title": "HILUM",
                "destination-name": "PACS",
                "workflow": "wf-1",
                "engine": "copy",
            }
        ],
    }
    files = make_series(tmp_path / "ct", 5)
    with make_site(keys) as site:
        answers = send(site.port, *files)

        assert [answer.status for answer in answers] == [0] * 5
        [job] = site.wait_for_jobs(1)
        assert {one.digest for one in pacs.accepted} == {data_set_digest(path) for path in files}
        assert len(pacs.associations) == 1
        assert (Path(job.folder) / "job.meta").read_text() == "wf-1\n"
        assert {path.stem for path in site.inputs(job)} == {read(path).SOPInstanceUID for path in files}
        receipt = json.loads((Path(job.folder) / "receipt.json").read_text())
        assert [file["deliveries"][0]["status"] for file in receipt["files"]] == ["0000H"] * 5
        eventually(lambda: not list(site.spool.glob("2*")), what="an empty spool")
