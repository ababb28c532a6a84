from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from harness.platform import Platform
from stage.cli.running import Hilum, Receiving


def test_a_new_configuration_is_good_as_it_is(hilum: Hilum, tmp_path: Path) -> None:
    assert hilum("init").code == 0
    checked = hilum("check")
    assert checked.code == 0
    assert "app.yaml is good: 1 AE title, 1 source, 1 workflow and 1 destination" in checked.err
    effective = YAML(typ="safe").load(checked.out)
    assert effective["dicom"]["scp"]["max-associations"] == 2
    (tmp_path / "again.yaml").write_text(checked.out)
    assert hilum("check", "-c", "again.yaml").code == 0


def test_a_configuration_is_not_replaced_unless_asked(hilum: Hilum, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("mine")
    ran = hilum("init")
    assert ran.code == 1
    assert "--force replaces it" in ran.err
    assert (tmp_path / "app.yaml").read_text() == "mine"
    assert hilum("init", "--force").code == 0
    (tmp_path / "sub").mkdir()
    assert "hilum serve --config sub/app.yaml" in hilum("init", "sub").out


def test_problems_are_told_with_their_places_and_nothing_else_is_printed(
    hilum: Hilum, hilum_process: Hilum, tmp_path: Path
) -> None:
    (tmp_path / "app.yaml").write_text("dicom:\n  scp:\n    prt: 104\n")
    ran = hilum("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("app.yaml:3:5: dicom.scp.prt: ")
    for command in (("status",), ("echo", "PACS")):
        assert hilum(*command).code == 2
    assert hilum_process("serve").code == 2
    as_json = hilum("check", "--json")
    assert as_json.code == 2
    assert as_json.json["valid"] is False
    assert as_json.json["problems"][0]["where"] == "app.yaml:3:5"


def test_the_configuration_is_named_by_option_or_environment(hilum: Hilum, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("dicom: {scp: {port: 1234, reject-unknown-sources: false}}\n")
    assert hilum("check", "--json", HILUM_CONFIG="other.yaml").json["settings"]["dicom"]["scp"]["port"] == 1234
    assert hilum("check", "--json", "-c", "other.yaml", HILUM_CONFIG="none.yaml").json["file"] == "other.yaml"


def test_processors_and_engines_are_looked_at(hilum: Hilum, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(
        """
        dicom: {scp: {reject-unknown-sources: false, ae-titles: [{ae-title: A, processors: ["no.such:Thing"]}]}}
        engines: {local: {type: process, command: [no-such-program]}}
        """
    )
    ran = hilum("check", "--json")
    assert ran.code == 2
    assert [("no.such:Thing" in fault, "no-such-program" in fault) for fault in ran.json["faults"]] == [
        (True, False),
        (False, True),
    ]


def test_secrets_are_masked(hilum: Hilum, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("web: {token: hunter2}\ndicom: {scp: {reject-unknown-sources: false}}\n")
    for arguments in (("check",), ("check", "--json")):
        ran = hilum(*arguments)
        assert ran.code == 0
        assert "hunter2" not in ran.out + ran.err


def test_the_schema_is_one_json_document_and_needs_no_configuration(hilum: Hilum) -> None:
    ran = hilum("check", "--schema")
    assert ran.code == 0
    assert json.loads(ran.out)["$schema"].startswith("https://json-schema.org/")


def test_each_destination_is_probed(hilum: Hilum, receive: Callable[..., Receiving], tmp_path: Path) -> None:
    pacs = receive("-aet", "PACS")
    destination = "{{name: {0}, host-ip: 127.0.0.1, port: {1}, ae-title: {2}}}".format
    (tmp_path / "app.yaml").write_text(
        f"""
        dicom:
          scp: {{reject-unknown-sources: false}}
          scu:
            destinations:
              - {destination("good", pacs.port, "PACS")}
              - {destination("misnamed", pacs.port, "OTHER")}
              - {destination("dead", 1, "PACS")}
        """
    )
    ran = hilum("check", "--probe", "--json")
    found = ran.json["destinations"]
    assert ran.code == 3
    assert found["good"]["answered"]
    assert found["good"]["status"] == "0000H"
    assert "called AE title not recognized" in found["misnamed"]["found"]
    assert "upper and lower case matter" in found["misnamed"]["remedy"]
    assert "refused" in found["dead"]["found"]
    told = hilum("check", "--probe")
    assert "destination good (PACS@127.0.0.1" in told.err
    assert told.code == 3


def test_a_platform_is_asked_by_a_probe_only(hilum: Hilum, tmp_path: Path) -> None:
    with Platform() as platform:
        (tmp_path / "app.yaml").write_text(
            f"""
            dicom: {{scp: {{reject-unknown-sources: false}}}}
            engines: {{gpu: {{type: http, url: "{platform.url}"}}, away: {{type: http, url: "{platform.url}/x"}}}}
            """
        )
        hilum("check")
        assert platform.requests == []
        ran = hilum("check", "--probe", "--json")
        assert {request.path for request in platform.requests} == {"/api/", "/api/x/"}
    assert "engine 'away'" in ran.out
    assert "the platform API is not there; correct engines.away.url" in ran.out
    assert "engine 'gpu'" not in ran.out
