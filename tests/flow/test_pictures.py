"""Pictures of real jobs over HTTP: found by the ledger alone, decoded elsewhere, while everything else goes on."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image

from harness.data import make_instance, real_file
from harness.ports import free_port
from harness.sending import send
from harness.site import Site

WORKFLOWS = [{"name": "copy", "clara-ae-title": "HILUM", "workflow": "w", "engine": "copy"}]


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site({"web": {"enabled": True, "port": free_port()}, "workflows": WORKFLOWS}).start()


@pytest.fixture
def web(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{site.settings.web.port}/api/v1", timeout=60) as client:
        yield client


def job_of(site: Site, *files: Path) -> Any:
    send(site.port, *files)
    (job,) = site.wait_for_jobs(1)
    return job


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_inputs_and_results_are_shown(site: Site, web: httpx.Client) -> None:
    ct, report = real_file("CT_small.dcm"), real_file("reportsi.dcm")
    job = job_of(site, ct, report)
    found = web.get(f"/jobs/{job.name}/pictures").json()
    assert [(one["kind"], one["modality"], one["pictures"]) for one in found] == [
        ("input", "CT", 1),
        ("input", "SR", 0),
        ("result", "CT", 1),
        ("result", "SR", 0),
    ]
    assert found[1]["slices"][0]["why"] == "Basic Text SR Storage: it has no pixels to show"
    for kind in ("input", "result"):
        answer = web.get(f"/jobs/{job.id}/pictures/{kind}/{uid_of(ct)}.png")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert "hilum-placeholder" not in answer.headers
        assert np.asarray(Image.open(io.BytesIO(answer.content))).shape == (128, 128)
    placeholder = web.get(f"/jobs/{job.id}/pictures/input/{uid_of(report)}.png")
    assert placeholder.headers["hilum-placeholder"] == "Basic Text SR Storage: it has no pixels to show"


def test_a_browser_need_not_load_the_same_picture_again(site: Site, web: httpx.Client) -> None:
    ct = real_file("CT_small.dcm")
    path = f"/jobs/{job_of(site, ct).id}/pictures/result/{uid_of(ct)}.png"
    first = web.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    again = web.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert web.get(path, params={"size": 64}).headers["etag"] != first.headers["etag"]
    (file,) = (site.payloads / site.rows("jobs")[0].name / "output").glob("*.dcm")
    os.utime(file, ns=(1, 1))
    assert web.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_only_what_the_ledger_knows_can_be_asked_for(site: Site, web: httpx.Client) -> None:
    ct = real_file("CT_small.dcm")
    job = job_of(site, ct)
    base = f"/jobs/{job.id}/pictures"
    assert web.get(f"{base}/input/1.2.3.png").status_code == 404
    assert web.get(f"{base}/result/{uid_of(ct)}.png", params={"overlay": "1.2.3"}).status_code == 404
    assert web.get("/jobs/nothing/pictures").status_code == 404
    for path in ("../../../etc/passwd", "..%2f..%2fjob.json", "%2fetc%2fpasswd", "..", "x", "1" * 65):
        assert web.get(f"{base}/input/{path}.png").status_code in {404, 422}
    assert web.get(f"{base}/payload/{uid_of(ct)}.png").status_code == 422
    for wrong in ({"frame": 0}, {"size": 5000}, {"window-center": 1}, {"window-width": 0}, {"alone": True}):
        assert web.get(f"{base}/input/{uid_of(ct)}.png", params=wrong).status_code == 422
    assert (
        web.get(f"{base}/input/{uid_of(ct)}.png", params={"window-center": "nan", "window-width": 1}).status_code == 422
    )


def test_links_lead_nowhere(site: Site, web: httpx.Client, tmp_path: Path) -> None:
    """A workflow that puts links where its results were shows nobody's files."""
    ct = real_file("CT_small.dcm")
    job = job_of(site, ct)
    elsewhere = tmp_path / "secret"
    elsewhere.mkdir()
    (elsewhere / f"{uid_of(ct)}.dcm").write_bytes(ct.read_bytes())
    output = site.payloads / job.name / "output"
    (file,) = output.glob("*.dcm")
    file.unlink()
    file.symlink_to(elsewhere / file.name)
    assert web.get(f"/jobs/{job.id}/pictures/result/{uid_of(ct)}.png").status_code == 404
    file.unlink()
    output.rename(tmp_path / "away")
    output.symlink_to(elsewhere)
    answer = web.get(f"/jobs/{job.id}/pictures/result/{uid_of(ct)}.png")
    assert answer.status_code == 404
    assert "cannot be opened" in answer.json()["detail"]
    os.mkfifo(tmp_path / "fifo")
    output.unlink()
    output.mkdir()
    (tmp_path / "fifo").rename(output / file.name)
    assert web.get(f"/jobs/{job.id}/pictures/result/{uid_of(ct)}.png").status_code == 404


def test_files_that_are_gone_are_missed(site: Site, web: httpx.Client) -> None:
    ct = real_file("CT_small.dcm")
    job = job_of(site, ct)
    for file in (site.payloads / job.name / "input").iterdir():
        file.unlink()
    answer = web.get(f"/jobs/{job.id}/pictures/input/{uid_of(ct)}.png")
    assert (answer.status_code, "retention" in answer.json()["detail"]) == (404, True)
    found = web.get(f"/jobs/{job.id}/pictures").json()
    assert "cannot be opened" in next(one for one in found if one["kind"] == "input")["slices"][0]["why"]


def test_the_gateway_serves_on_while_a_decoder_suffers(site: Site, web: httpx.Client, tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_file("MR_small.dcm"))
    ds.Rows = ds.Columns = 9999  # almost as much as may be
    ds.BitsAllocated = ds.BitsStored = 64
    ds.HighBit = 63
    del ds.PixelData
    ds.DoubleFloatPixelData = bytes(8 * 1024)
    path = tmp_path / "bomb.dcm"
    ds.save_as(path)
    job = job_of(site, path)
    bombs = [
        threading.Thread(target=web.get, args=(f"/jobs/{job.id}/pictures/input/{uid_of(path)}.png?size={size}",))
        for size in range(100, 110)
    ]
    for one in bombs:
        one.start()
    for _ in range(10):
        (answer,) = send(site.port, make_instance(tmp_path / "more"))
        assert answer.status == 0
        assert web.get("/jobs").status_code == 200
    for one in bombs:
        one.join()
    assert web.get(f"/jobs/{job.id}/pictures/input/{uid_of(path)}.png").headers["hilum-placeholder"]


def test_decoders_end_with_the_gateway(site: Site, web: httpx.Client) -> None:
    ct = real_file("CT_small.dcm")
    job = job_of(site, ct)
    web.get(f"/jobs/{job.id}/pictures/input/{uid_of(ct)}.png")
    before = _decoders()
    assert before
    site.stop()
    assert not _decoders()


def _decoders() -> list[str]:
    """Decoding processes that this one has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                parent = (folder / "stat").read_text().rsplit(")")[-1].split()[1]
            except OSError:
                continue
            if b"hilum.pictures.decoder" in command and parent == str(os.getpid()):
                found.append(folder.name)
    return found


def test_neither_the_gateway_nor_its_web_import_what_decodes() -> None:
    program = (
        "import sys; import hilum.serve, hilum.web.app, hilum.pictures.gallery; "
        "print([one for one in sys.modules if one.split('.')[0] in {'numpy', 'PIL', 'openjpeg', 'jpeg_ls'} "
        "or one.startswith(('pydicom', 'hilum.pictures.decoder'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
