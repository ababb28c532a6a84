"""The doctor on a gateway that is well, and on what is broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness.data import make_series
from harness.pacs import Pacs
from harness.platform import Platform
from harness.ports import free_port
from harness.sending import send
from harness.site import Site
from hilum.cli.app import app
from hilum.doctor.check import Check, Grade, Report
from hilum.doctor.examination import Examination, process_of

MakeSite = Callable[..., Site]
LUNG = {"name": "lung", "clara-ae-title": "HILUM", "engine": "copy", "destination-name": "PACS"}


def examine(site: Site, *, running: bool = True) -> Report:
    return Examination(settings=site.settings, database=site.database, running=running).whole(site.clock())


def of(report: Report, area: str, subject: str = "") -> list[Check]:
    return [one for one in report.checks if one.area == area and one.subject.startswith(subject)]


def test_a_gateway_that_works_is_well(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    port = free_port()
    keys = {"dicom": {"scp": {"port": port}, "scu": {"destinations": [pacs.destination]}}, "workflows": [LUNG]}
    with make_site(keys) as site:
        send(site.port, *make_series(tmp_path / "ct", 3))
        site.wait_for_jobs(1)
        found = examine(site)
    wrong = [one for one in found.checks if one.grade is Grade.WRONG]
    # Those are the test machine's, and the server of tests is told not to wait for its disk.
    wrong = [one for one in wrong if one.area not in {"disk", "descriptors"} and not one.subject.endswith(", disk")]
    assert wrong == []
    assert {one.area for one in found.checks} >= {"clock", "disk", "permissions", "ports", "descriptors", "ledger"}
    assert [one.found for one in of(found, "ports")] == ["the running gateway listens there"]
    assert [one.subject for one in of(found, "destinations")] == [
        "PACS, resolve",
        "PACS, connect",
        "PACS, associate",
        "PACS, echo",
        "PACS, contexts",
    ]
    assert of(found, "destinations", "PACS, contexts")[0].found == (
        "1 kind of results that were queued lately: accepted"
    )
    assert of(found, "ledger")[0].found.startswith("sound; version ")
    assert "in use by the gateway" in of(found, "descriptors")[0].found


def test_a_destination_step_by_step(make_site: MakeSite, pacs: Pacs) -> None:
    def one(name: str, **changed: Any) -> dict[str, Any]:
        return pacs.destination | {"name": name} | changed

    keys = {
        "dicom": {
            "scu": {
                "destinations": [
                    one("NAMELESS", **{"host-ip": "no-such-host.invalid"}),
                    one("CLOSED", port=free_port()),
                    one("STRANGE", **{"ae-title": "OTHER"}),
                ]
            }
        }
    }
    with make_site(keys) as site:
        found = examine(site)
    last = {name: of(found, "destinations", name)[-1] for name in ("NAMELESS", "CLOSED", "STRANGE")}
    assert {name: one.subject.partition(", ")[2] for name, one in last.items()} == {
        "NAMELESS": "resolve",
        "CLOSED": "connect",
        "STRANGE": "associate",
    }
    assert all(one.grade is Grade.WRONG and one.remedy for one in last.values())
    assert "does not call itself OTHER" in last["STRANGE"].remedy
    assert not found.healthy


def test_an_engine_that_is_not_there_is_wrong_only_if_it_is_used(make_site: MakeSite) -> None:
    engine = {"type": "process", "command": ["/no/such/program"]}
    unused = make_site({"engines": {"gone": engine}})
    with unused as site:
        assert [one.grade for one in of(examine(site), "engines", "gone")] == [Grade.LOOK]
    used = make_site({"engines": {"gone": engine}, "workflows": [{**LUNG, "destination-name": [], "engine": "gone"}]})
    with used as site:
        [check] = of(examine(site), "engines", "gone")
    assert check.grade is Grade.WRONG
    assert "/no/such/program" in check.found


def test_a_platform_is_asked_what_it_is(make_site: MakeSite) -> None:
    with Platform(token="let-me-in") as platform:
        right = {"type": "http", "url": platform.url, "token": "let-me-in"}
        wrong = {**right, "token": "let-him-in"}
        away = {"type": "http", "url": f"http://127.0.0.1:{free_port()}/"}
        with make_site({"engines": {"right": right, "wrong": wrong, "away": away}}) as site:
            asked = len(platform.requests)
            found = {name: of(examine(site), "engines", name)[0] for name in ("right", "wrong", "away")}
    assert asked == 0, "a start asks nobody"
    assert found["right"].found == f"the platform at {platform.url} answers; no workflow uses it"
    assert found["wrong"].grade is Grade.LOOK
    assert "it does not accept the token; correct engines.wrong.token" in found["wrong"].found
    assert "let-him-in" not in found["wrong"].found
    assert "cannot be reached: Connection refused" in found["away"].found


def test_the_command_tells_all_and_its_status_says_whether_something_is_wrong(make_site: MakeSite) -> None:
    nobody = {"name": "PACS", "host-ip": "127.0.0.1", "port": free_port(), "ae-title": "PACS"}
    with make_site({"dicom": {"scu": {"destinations": [nobody]}}}) as site:
        said = CliRunner().invoke(app, ["doctor", "--config", str(site.path)])
        assert said.exit_code == 1
        assert "!! PACS, connect: port" in said.stdout
        assert "-> start the peer, or correct the port of the destination" in said.stdout
        one = CliRunner().invoke(app, ["doctor", "--config", str(site.path), "--destination", "PACS", "--json"])
        document = json.loads(one.stdout)
    assert one.exit_code == 1
    assert [check["grade"] for check in document["checks"]] == ["OK", "wrong"]
    assert set(document["checks"][0]) == {"area", "subject", "grade", "found", "expected", "remedy"}


def test_the_doctor_comes_before_the_first_start(make_site: MakeSite) -> None:
    site = make_site()
    said = CliRunner().invoke(app, ["doctor", "--config", str(site.path)])
    assert "no gateway has run with this configuration" in said.stdout
    assert not site.spool.exists()


def test_the_process_of_a_gateway_is_known_from_its_name(make_site: MakeSite) -> None:
    with make_site() as site:
        [owner] = {row.subject for row in site.history(machine="gateway", event="started")}
    assert process_of(owner) == os.getpid()
    assert process_of("other-host-1-abc") is None
    assert process_of("") is None
