from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config import Settings, load, warnings

Read = Callable[..., Settings]

COMPLETE = """\
dicom:
  scp:
    ae-titles: [{ae-title: CT}]
    sources: [{host-ip: 10.0.0.5, ae-title: CT1}]
workflows: [{name: a, clara-ae-title: CT}]
"""

# text, where, path, what the message says
CASES = [
    (
        COMPLETE.replace("sources", "max-associations: 6\n    sources"),
        "4:23",
        "dicom.scp.max-associations",
        "original would",
    ),
    (
        COMPLETE.replace("workflows", "#"),
        "3:28",
        "dicom.scp.ae-titles[0].ae-title",
        "no job starts: no entry of workflows",
    ),
    (COMPLETE.replace("CT}", "ct}"), "3:28", "dicom.scp.ae-titles[0].ae-title", "ct has lower-case letters"),
    (COMPLETE.replace("CT}", "CT, processors: []}", 1), "3:44", "dicom.scp.ae-titles[0].processors", "no processors"),
    (COMPLETE.replace("[{host-ip: 10.0.0.5, ae-title: CT1}]", "[]"), "4:14", "dicom.scp.sources", "nobody can send"),
    (
        COMPLETE.replace("sources", "log-dimse-datasets: true\n    sources"),
        "4:25",
        "dicom.scp.log-dimse-datasets",
        "personal",
    ),
]


@pytest.mark.parametrize(("text", "where", "path", "words"), CASES)
def test_what_is_probably_not_meant_is_told_with_its_place(
    read: Read, text: str, where: str, path: str, words: str
) -> None:
    (warning,) = warnings(read(text))
    assert (warning.where, warning.path) == (f"app.yaml:{where}", path)
    assert words in warning.message


def test_a_complete_configuration_has_no_warnings(read: Read) -> None:
    assert warnings(read(COMPLETE)) == []


def test_the_limit_of_the_sender_is_looked_at_too(read: Read) -> None:
    text = COMPLETE.replace("workflows", "  scu: {max-associations: 1000, ae-title: lower}\nworkflows")
    assert [warning.path for warning in warnings(read(text))] == ["dicom.scu.max-associations", "dicom.scu.ae-title"]


def test_five_associations_are_as_the_original_allows(read: Read) -> None:
    assert warnings(read(COMPLETE.replace("sources", "max-associations: 5\n    sources"))) == []


def test_nobody_needs_sources_when_unknown_ones_are_welcome(read: Read) -> None:
    text = COMPLETE.replace("sources: [{host-ip: 10.0.0.5, ae-title: CT1}]", "reject-unknown-sources: false")
    assert warnings(read(text)) == []


def test_the_names_that_the_spec_gives_are_not_complained_of(read: Read) -> None:
    text = COMPLETE.replace("CT}", "ClaraSCP}").replace("workflows", "  scu: {ae-title: ClaraSCU}\nworkflows")
    assert warnings(read(text)) == []


def test_one_port_cannot_serve_two(read: Read) -> None:
    assert [warning.path for warning in warnings(read(COMPLETE + "web: {port: 104}"))] == ["web.port"]
    assert warnings(read(COMPLETE + "web: {port: 104, enabled: false}")) == []


def test_a_warning_of_an_override_names_the_variable(read: Read) -> None:
    (warning,) = warnings(read(COMPLETE, {"HILUM__DICOM__SCP__MAX_ASSOCIATIONS": "50"}))
    assert warning.where == "HILUM__DICOM__SCP__MAX_ASSOCIATIONS"


def test_what_is_not_in_the_file_is_reported_at_what_surrounds_it(read: Read, tmp_path: Path) -> None:
    assert [str(warning).split(": ")[0] for warning in warnings(read("dicom:\n  scp:\n    port: 1\n"))] == [
        "app.yaml:2:3",
        "app.yaml:2:3",
    ]
    (tmp_path / "bare.yaml").write_text("{}")
    assert {warning.where for warning in warnings(load(tmp_path / "bare.yaml", {}))} == {str(tmp_path / "bare.yaml")}


def test_settings_without_a_file_can_be_looked_at_too() -> None:
    assert {warning.where for warning in warnings(Settings())} == {"settings"}
