from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hilum.cli.app import app as hilum
from hilum.cli.conformance import Form, command
from hilum.cli.statement.document import Contents, Figure, Section, Statement, Table
from hilum.cli.statement.markdown import markdown
from hilum.cli.statement.tree import tree
from hilum.errors import ConfigError

SMALL = Statement(
    title="Statement",
    cover=(("Product", "Thing 1"),),
    sections=(
        Section.of("Overview", "One paragraph.", Contents()),
        Section.of(
            "Network/wires",
            Section.of("Deep", Section.of("Deeper", Section.of("Deepest", Section.of("Bold", Section.of("Bolder"))))),
            Figure("\n a -> b\n"),
            Table.of("answers", ("Status", "User (SCU)"), [("0000", "`yes` | no")]),
        ),
    ),
)

APP = """
dicom:
  scp:
    port: 11112
    max-associations: 7
    max-pdu-length: 65536
    verification: {enabled: false}
    ae-titles:
      - {ae-title: LUNG, ignored-sop-classes: [CTImageStorage], aborted-associations: accept}
      - {ae-title: LIVER, timeout: 300, timeout-group: Patient}
    sources: [{host-ip: 10.0.0.0/24, ae-title: CT1}]
    timeouts: {artim: 31, pdu: 32, idle: 33}
    limits: {pre-association: 34, pre-association-per-host: 35, object-gb: 0.5}
  scu:
    ae-title: SENDER
    max-associations: 6
    destinations: [{name: ARCHIVE, host-ip: pacs.example, port: 4242, ae-title: ARC}]
    retry: {waits: [10, 7200], give-up-after: 172800}
    timeouts: {connect: 41, association: 42, dimse: 43}
"""


def printed(capsys: pytest.CaptureFixture[str], config: Path | None = None, form: Form = Form.MARKDOWN) -> str:
    command(config=config, form=form)
    return capsys.readouterr().out


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.yaml"
    path.write_text(APP)
    return path


def tables(capsys: pytest.CaptureFixture[str], config: Path | None = None) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads(printed(capsys, config, Form.JSON))["tables"]
    return found


def properties(rows: list[dict[str, str]]) -> dict[str, str]:
    """A table of two columns as a mapping."""
    return {next(iter(row.values())): list(row.values())[1] for row in rows}


def test_sections_are_numbered_and_the_deepest_are_bold() -> None:
    lines = markdown(SMALL).splitlines()
    assert lines[0] == "# Statement"
    assert "## 2 Network/wires" in lines
    assert "###### 2.1.1.1.1 Bold" in lines
    assert "**2.1.1.1.1.1 Bolder**" in lines


def test_blocks_stand_before_the_sub_sections() -> None:
    page = markdown(SMALL)
    assert "```\n a -> b\n```\n\n| Status | User (SCU) |\n| --- | --- |\n| 0000 | `yes` \\| no |\n\n### 2.1" in page


def test_the_contents_lead_to_the_headings_of_three_levels() -> None:
    listed = [line for line in markdown(SMALL).splitlines() if line.lstrip().startswith("- [")]
    assert listed == [
        "- [1 Overview](#1-overview)",
        "- [2 Network/wires](#2-networkwires)",
        "  - [2.1 Deep](#21-deep)",
        "    - [2.1.1 Deeper](#211-deeper)",
    ]


def test_programs_get_rows_by_column_and_no_marks() -> None:
    document = tree(SMALL)
    assert document["cover"] == {"product": "Thing 1"}
    assert document["tables"] == {"answers": [{"status": "0000", "user-scu": "yes | no"}]}
    network = document["sections"][1]
    assert (network["number"], network["tables"], network["figures"]) == ("2", ["answers"], ["\n a -> b\n"])
    assert document["sections"][0]["text"] == ["One paragraph."]
    assert network["sections"][0]["sections"][0]["number"] == "2.1.1"


def test_a_table_is_found_by_its_name() -> None:
    assert SMALL.table("answers").rows == (("0000", "`yes` | no"),)
    with pytest.raises(KeyError):
        SMALL.table("questions")


def test_without_a_configuration_the_defaults_appear(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.yaml").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HILUM_CONFIG", "app.yaml")
    monkeypatch.setenv("HILUM__DICOM__SCP__PORT", "4242")
    page = printed(capsys)
    assert "| Configuration | the defaults |" in page
    assert "| `dicom.scp.port` | 104 |" in page
    assert "LUNG" not in page
    assert "4242" not in page


def test_with_a_configuration_its_values_appear(capsys: pytest.CaptureFixture[str], app: Path) -> None:
    found = tables(capsys, app)
    assert [row["ae-title"] for row in found["local-ae-titles"]] == ["LUNG", "LIVER"]
    assert found["local-ae-titles"][0]["ignored-sop-classes"] == "1.2.840.10008.5.1.4.1.1.2"
    assert found["sources"] == [{"host-ip": "10.0.0.0/24", "ae-title": "CT1"}]
    assert found["destinations"] == [{"name": "ARCHIVE", "host-ip": "pacs.example", "port": "4242", "ae-title": "ARC"}]
    parameters = {row["key"]: (row["value"], row["default"]) for row in found["parameters"]}
    assert parameters["dicom.scp.port"] == ("11112", "104")
    assert parameters["dicom.scu.retry.waits"] == ("10, 7200", "30, 120, 600, 3600")
    general, limits = properties(found["scp-association"]), properties(found["scp-associations"])
    assert general["Maximum PDU length received"].startswith("65536 bytes")
    assert general["Largest data set"].startswith("500000000 bytes")
    assert limits["Associations at a time"].startswith("7 ")
    assert limits["Connections at a time that are no association"].startswith("34, of one address 35;")
    sending = properties(found["scu-associations"])
    assert sending["Associations at a time that carry instances, to all destinations"].startswith("6 ")


def test_every_time_that_can_be_configured_appears(capsys: pytest.CaptureFixture[str], app: Path) -> None:
    found = tables(capsys, app)
    times = {row["key"]: row["value"] for row in [*found["scp-timeouts"], *found["scu-timeouts"]]}
    assert times["dicom.scp.timeouts.artim"] == "31 s"
    assert times["dicom.scp.timeouts.pdu"] == "32 s"
    assert times["dicom.scp.timeouts.idle"] == "33 s"
    assert times["dicom.scu.timeouts.connect"] == "41 s"
    assert times["dicom.scu.timeouts.association"] == "42 s"
    assert times["dicom.scu.timeouts.dimse"] == "43 s"
    page = " ".join(printed(capsys, app).split())
    assert "after 10 s and 2 h" in page
    assert "more than 2 days after" in page


def test_what_is_switched_off_is_not_claimed(capsys: pytest.CaptureFixture[str], app: Path) -> None:
    services = {row["sop-class"]: row for row in tables(capsys)["network-services"]}
    assert services["Verification"]["provider-scp"] == "Yes"
    found = tables(capsys, app)
    services = {row["sop-class"]: row for row in found["network-services"]}
    assert services["Verification"]["provider-scp"] == "No: disabled"
    assert "Verification" not in {row["abstract-syntax"] for row in found["scp-presentation-contexts"]}
    page = printed(capsys, app)
    assert "C-ECHO is disabled." in page
    assert "As configured, these are LUNG." in " ".join(page.split())


def test_who_lets_anybody_send_is_told_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    app = tmp_path / "app.yaml"
    app.write_text("dicom: {scp: {reject-unknown-sources: false}}")
    told = "anybody who reaches the port may send"
    assert told in " ".join(printed(capsys, app).split())
    assert told not in " ".join(printed(capsys).split())


def test_the_command_line_has_it(app: Path) -> None:
    ran = CliRunner().invoke(hilum, ["conformance", "--config", str(app), "--format", "json"])
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["cover"]["configuration"] == str(app)
    assert CliRunner().invoke(hilum, ["conformance", "--format", "pdf"]).exit_code == 2


def test_a_configuration_with_mistakes_gives_no_statement(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    app = tmp_path / "app.yaml"
    app.write_text("dicom: {scp: {prt: 104}}")
    with pytest.raises(ConfigError):
        command(config=app)
    assert capsys.readouterr().out == ""
