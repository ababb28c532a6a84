"""``hilum explain`` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from harness.data import make_instance, make_series, read
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.cli.app import app
from hilum.cli.exit import UsageError

MakeSite = Callable[..., Site]


def hilum(site: Site, *words: str) -> Result:
    return CliRunner().invoke(app, ["explain", *words, "--config", str(site.path)])


def test_a_study_by_its_uid_by_its_patient_and_by_a_file(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 2)
    data = read(files[0])
    with make_site() as site:
        send(site.port, *files)
        eventually(lambda: site.rows("groups", state="stored only"), what="a group that nobody wanted")
        said = hilum(site, str(data.StudyInstanceUID))
        assert said.exit_code == 0, said.output
        assert "no workflow for AE title HILUM" in said.stdout
        assert "hilum retry group:1" in said.stdout
        assert "last of 2 instances received" in said.stdout
        assert str(data.PatientID) not in said.stdout
        assert str(data.PatientID) in hilum(site, str(data.StudyInstanceUID), "--personal").stdout
        patient = json.loads(hilum(site, str(data.PatientID), "--json").stdout)
        assert (patient["kind"], patient["asked"]) == ("study", str(data.StudyInstanceUID))
        assert patient["findings"][0]["remedies"][1]["command"] == "hilum retry group:1"
        file = json.loads(hilum(site, str(files[1]), "--json").stdout)
        assert (file["kind"], file["asked"]) == ("instance", str(files[1]))


def test_what_is_not_known_ends_with_1_and_says_where_it_was_looked_for(make_site: MakeSite) -> None:
    with make_site() as site:
        said = hilum(site, "ANNA-7")
    assert said.exit_code == 1
    assert said.stdout.startswith("Nothing is known of what was asked for")
    assert "ANNA-7" not in said.output
    assert "It may never have been sent here" in said.stdout


def test_would_needs_no_gateway_and_sends_nothing(make_site: MakeSite, tmp_path: Path) -> None:
    files = [make_instance(tmp_path / "ct") for _ in range(5)]
    (tmp_path / "ct" / "notes.txt").write_text("x")
    site = make_site({"workflows": [{"name": "lung", "clara-ae-title": "HILUM", "engine": "copy"}]})
    said = hilum(site, "--would", "CT1>HILUM@127.0.0.1", str(tmp_path / "ct"))
    assert said.exit_code == 0, said.output
    assert "5 of 5 instances would be taken from CT1 at 127.0.0.1; then 1 job would start" in said.stdout
    assert "CTImageStorage in ExplicitVRLittleEndian: stored (" in " ".join(said.stdout.split())
    assert "app.yaml:" in said.stdout
    assert "notes.txt: not DICOM" in said.stderr
    assert not site.spool.exists()
    refused = hilum(site, "--would", "NOBODY@127.0.0.1", str(files[0]), "--json")
    document = json.loads(refused.stdout)
    assert (refused.exit_code, document["verdict"]) == (1, "no")
    assert "called AE title 'NOBODY' is not in dicom.scp.ae-titles" in document["summary"]


def test_a_sender_that_cannot_be_meant_is_a_wrong_command(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    nobody = hilum(site, "--would", "nonsense", str(make_instance(tmp_path / "ct")))
    nothing = hilum(site, "--would", "A@127.0.0.1", str(site.path))
    assert isinstance(nobody.exception, UsageError)
    assert isinstance(nothing.exception, UsageError)
