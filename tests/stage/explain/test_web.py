"""The same answers over the API and on the pages of a gateway that runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from harness.data import make_instance, read
from harness.ports import free_port
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually

MakeSite = Callable[..., Site]


@pytest.fixture
def browser(make_site: MakeSite, tmp_path: Path) -> Iterator[tuple[Site, httpx.Client, str]]:
    """A gateway with a job that failed, somebody who asks it, and the study."""
    port = free_port()
    file = make_instance(tmp_path / "ct", patient="ANNA-7")
    study = str(read(file).StudyInstanceUID)
    keys = {
        "web": {"enabled": True, "port": port},
        "dicom": {"scu": {"destinations": [{"name": "PACS", "host-ip": "127.0.0.1", "port": 1, "ae-title": "PACS"}]}},
        "workflows": [{"name": "bad", "clara-ae-title": "HILUM", "engine": "bad"}],
        "engines": {"bad": {"type": "process", "command": ["sh", "-c", "exit 3"], "attempts": 1}},
    }
    with make_site(keys) as site, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        send(site.port, file)
        site.wait_for_jobs(1, "failed")

        def ready() -> bool:
            try:
                return client.get("/health/live").status_code == 200
            except httpx.TransportError:
                return False

        eventually(ready, what="the web")
        yield site, client, study


Browser = tuple[Site, httpx.Client, str]


def test_a_study_is_explained_with_what_to_press(browser: Browser) -> None:
    _, client, study = browser
    found = client.get("/api/v1/explain", params={"what": study}).json()
    assert (found["kind"], found["tone"]) == ("study", "wrong")
    [action] = [remedy["action"] for one in found["findings"] for remedy in one["remedies"] if remedy["button"]]
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert re.sub(r"/[0-9a-f]{32}/", "/{job}/", f"/api/v1{action}") in paths
    assert client.post(f"/api/v1{action}").status_code == 202
    by_patient = client.get("/api/v1/explain", params={"what": "ANNA-7"})
    assert by_patient.json()["asked"] == study
    assert "ANNA-7" not in by_patient.text
    told = client.get("/api/v1/explain", params={"what": "ANNA-7", "personal": True}).json()
    assert told["patients"] == ["ANNA-7"]


def test_nothing_is_answered_as_well(browser: Browser) -> None:
    _, client, _ = browser
    answer = client.get("/api/v1/explain", params={"what": "BERTA-8"})
    assert (answer.status_code, answer.json()["kind"]) == (200, "")
    assert "BERTA-8" not in answer.text
    assert client.get("/api/v1/explain").status_code == 422


def test_what_would_happen_to_names_and_to_the_head_of_a_file(browser: Browser, tmp_path: Path) -> None:
    _, client, _ = browser
    instance = {"sop-class": "1.2.840.10008.5.1.4.1.1.2", "sop-instance": "1.2.3", "study": "1.9"}
    question = {"sender": "CT1>HILUM@127.0.0.1", "instances": [instance]}
    told = client.post("/api/v1/explain/would", json=question).json()
    assert [one["status"] for one in told["stages"] if one["step"] == "instance"] == ["0000H"]
    bad = client.post("/api/v1/explain/would", json=question | {"sender": "nonsense"})
    assert bad.status_code == 409
    assert "expected CALLED@HOST" in bad.json()["detail"]
    whole = make_instance(tmp_path / "large", size=300_000).read_bytes()
    where = {"sender": "CT1>HILUM@127.0.0.1", "size": len(whole)}
    head = client.post("/api/v1/explain/would/file", params=where, content=whole[: 1 << 16]).json()
    assert [one["status"] for one in head["stages"] if one["step"] == "instance"] == ["0000H"]
    short = client.post("/api/v1/explain/would/file", params=where | {"size": 0}, content=whole[: 1 << 15]).json()
    assert [one["status"] for one in short["stages"] if one["step"] == "instance"] == ["C000H"]
    text = client.post("/api/v1/explain/would/file", params=where, content=b"hello")
    assert text.status_code == 422


def test_the_doctor_and_the_diagnosis_of_a_destination(browser: Browser) -> None:
    _, client, _ = browser
    report = client.get("/api/v1/doctor").json()
    assert {one["area"] for one in report["checks"]} >= {"clock", "disk", "ledger", "engines", "destinations"}
    found = client.post("/api/v1/destinations/PACS/diagnosis").json()
    assert [one["subject"] for one in found["checks"]] == ["PACS, resolve", "PACS, connect"]
    assert found["healthy"] is False
    assert client.post("/api/v1/destinations/NOWHERE/diagnosis").status_code == 404


def test_the_pages_say_the_same(browser: Browser) -> None:
    _, client, study = browser
    assert 'action="/explain"' in client.get("/explain").text
    page = client.get("/explain", params={"what": study}).text
    assert "What happened" in page
    assert 'hx-post="/api/v1/jobs/' in page
    assert "ANNA-7" not in page
    assert "ANNA-7" in client.get("/explain", params={"what": study, "personal": "shown"}).text
    assert "It may never have been sent here" in client.get("/explain", params={"what": "9.9.9.9"}).text
    assert "Something is wrong" in client.get("/doctor").text
    assert 'placeholder="UID, Patient ID, job' in client.get("/").text


def test_a_patient_id_does_not_stay_in_the_address(browser: Browser) -> None:
    _, client, study = browser
    answer = client.get("/explain", params={"what": "ANNA-7"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/explain?what={study}")
