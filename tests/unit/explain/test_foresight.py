"""What would happen, from a configuration alone: each rule that can say no, and the line that decides it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hilum import config
from hilum.assembly import Assembly
from hilum.engine.port import Healthy, Unhealthy
from hilum.explain.foresight import foresee
from hilum.explain.prospect import Candidate, Prospect, Sender, Stage, Verdict, World
from hilum.model import Header
from stage.explain.processors import Refusing

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
EXPLICIT = "1.2.840.10008.1.2.1"

TEXT = f"""
dicom:
  scp:
    ae-titles:
      - ae-title: HILUM
        timeout: 20
        timeout-group: Study
        ignored-sop-classes: [{SR}]
      - ae-title: STORE
    sources:
      - {{host-ip: 10.0.0.0/24, ae-title: CT1}}
      - {{host-ip: 10.0.0.7, ae-title: CT2}}
  scu:
    destinations: [{{name: PACS, host-ip: 10.0.0.6, port: 104, ae-title: ARCHIVE}}]
workflows:
  - {{name: lung, clara-ae-title: HILUM, destination-name: PACS, engine: local}}
engines:
  local: {{type: process, command: ["true"]}}
"""


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    path = tmp_path / "app.yaml"
    path.write_text(TEXT.lstrip())
    return Assembly.of(config.load(path, {}))


def instance(name: str = "a.dcm", *, uid: str = "1.2.3", study: str = "1.9", sop_class: str = CT) -> Candidate:
    header = Header(
        sop_class=sop_class, sop_instance=uid, modality="CT", patient_id="ANNA-7", study=study, series="1.9.1"
    )
    return Candidate(
        name=name, sop_class=sop_class, sop_instance=uid, transfer_syntax=EXPLICIT, header=header, size=1000
    )


def ask(
    assembly: Assembly,
    *candidates: Candidate,
    calling: str = "CT1",
    called: str = "HILUM",
    host: str = "10.0.0.5",
    congested: str | None = None,
    engine: Healthy | Unhealthy = Healthy(),  # noqa: B008
    down: str = "",
) -> Prospect:
    world = World(
        now=NOW,
        rules=assembly.acceptor.rules,
        congested=congested,
        engines={"local": engine, "folder": Healthy()},
        down={"PACS": down} if down else {},
    )
    sender = Sender(calling=calling, called=called, host=host)
    return foresee(sender, candidates or (instance(),), assembly, world)


def stage(prospect: Prospect, step: str) -> Stage:
    return next(one for one in prospect.stages if one.step == step)


def test_all_the_way_to_the_pacs_with_the_line_of_each_step(assembly: Assembly) -> None:
    told = ask(assembly)
    assert told.verdict is Verdict.YES
    assert told.summary == "1 of 1 instance would be taken from CT1 at 10.0.0.5; then 1 job would start"
    assert [one.step for one in told.stages] == [
        "source",
        "called",
        "limits",
        "contexts",
        "instance",
        "group",
        "workflow",
        "engine",
        "destination",
    ]
    lines = {one.step: one.line for one in told.stages}
    assert "dicom.scp.sources[0] (" in lines["source"]
    assert "app.yaml:10:" in lines["source"]
    assert "dicom.scp.ae-titles[0].ae-title (" in lines["called"]
    assert lines["limits"] == "dicom.scp.max-associations (the default)"
    assert "workflows[0] (" in lines["workflow"]
    assert "engines.local (" in lines["engine"]
    assert "dicom.scu.destinations[0] (" in lines["destination"]
    assert stage(told, "instance").status == "0000H"
    assert "closed 20 s after its last instance" in stage(told, "group").what
    assert "ARCHIVE at 10.0.0.6:104" in stage(told, "destination").what
    assert "ANNA-7" not in str(told)


def test_an_unknown_sender_is_rejected_and_nothing_follows(assembly: Assembly) -> None:
    told = ask(assembly, calling="STRANGER")
    assert told.verdict is Verdict.NO
    assert [one.step for one in told.stages] == ["source"]
    assert "'STRANGER' from 10.0.0.5 is not in dicom.scp.sources" in told.stages[0].why
    assert "1/1/3" in told.stages[0].what
    assert told.summary.startswith("The association from STRANGER at 10.0.0.5 to HILUM would be rejected")


def test_a_known_title_from_elsewhere_is_rejected(assembly: Assembly) -> None:
    told = ask(assembly, calling="CT2", host="10.0.0.5")
    assert "but dicom.scp.sources has it for 10.0.0.7" in told.stages[0].why


def test_an_unknown_called_title_is_rejected(assembly: Assembly) -> None:
    told = ask(assembly, called="hilum")
    assert [(one.step, one.verdict) for one in told.stages] == [("source", Verdict.YES), ("called", Verdict.NO)]
    assert "upper and lower case matter" in told.stages[1].why
    assert "dicom.scp.ae-titles (" in told.stages[1].line


def test_a_full_disk_rejects_for_now(assembly: Assembly) -> None:
    told = ask(assembly, congested="/data: 99.0 % used, limit 85 %")
    assert (told.stages[-1].step, told.stages[-1].why) == ("limits", "/data: 99.0 % used, limit 85 %")


def test_a_title_is_found_for_a_host_that_names_none(assembly: Assembly) -> None:
    told = ask(assembly, calling="", host="10.0.0.7")
    assert told.calling == "CT1"
    assert "also known from there: CT2" in told.stages[0].what
    told = ask(assembly, calling="", host="192.168.0.1")
    assert (told.calling, told.verdict) == ("ANY-SCU", Verdict.NO)


def test_an_ignored_sop_class_is_answered_with_success(assembly: Assembly) -> None:
    told = ask(assembly, instance(sop_class=SR))
    ignored = stage(told, "instance")
    assert (ignored.verdict, ignored.status) == (Verdict.IGNORED, "0000H")
    assert "dicom.scp.ae-titles[0].ignored-sop-classes (" in ignored.line


def test_what_is_no_storage_gets_no_context(assembly: Assembly) -> None:
    told = ask(assembly, instance(sop_class=FIND))
    refused = [one for one in told.stages if one.step == "contexts" and one.verdict is Verdict.NO]
    assert [one.why for one in refused] == ["abstract syntax not supported"]


def test_a_damaged_file_and_one_that_names_another_are_refused(assembly: Assembly) -> None:
    damaged = replace(instance("bad.dcm"), header=None, why="truncated")
    header = instance().header
    assert header is not None
    other = replace(instance("other.dcm"), header=replace(header, sop_instance="1.2.4"))
    told = ask(assembly, damaged, other, instance("good.dcm", uid="1.2.5"))
    stages = {one.subject: one for one in told.stages if one.step == "instance"}
    assert (stages["bad.dcm"].status, stages["bad.dcm"].why) == ("C000H", "truncated")
    assert (stages["other.dcm"].status, stages["other.dcm"].verdict) == ("A900H", Verdict.NO)
    assert stages["good.dcm"].verdict is Verdict.YES
    assert told.summary.startswith("1 of 3 instances would be taken, 2 refused")


def test_groups_are_those_that_the_gateway_would_make(assembly: Assembly) -> None:
    told = ask(
        assembly,
        instance("a", uid="1.1"),
        instance("b", uid="1.2"),
        instance("c", uid="1.3", study="1.8"),
        instance("again", uid="1.1"),
    )
    groups = [one for one in told.stages if one.step == "group"]
    assert [one.what.partition(" would")[0] for one in groups] == ["2 instances", "1 instance"]
    assert "1 instance with a UID that is there already would not count" in groups[0].what
    assert groups[0].verdict is Verdict.LOOK


def test_without_a_workflow_it_is_stored_only(assembly: Assembly) -> None:
    told = ask(assembly, called="STORE")
    stored = stage(told, "workflow")
    assert (stored.verdict, stored.why) == (Verdict.LOOK, "no workflow for AE title STORE")
    assert told.summary.endswith("no job would start")


def test_a_sick_engine_and_a_destination_that_is_down_are_told(assembly: Assembly) -> None:
    told = ask(assembly, engine=Unhealthy(why="there is no such program"), down="the connection was refused")
    assert (stage(told, "engine").verdict, stage(told, "engine").why) == (Verdict.NO, "there is no such program")
    assert (stage(told, "destination").verdict, stage(told, "destination").why) == (
        Verdict.LOOK,
        "the connection was refused",
    )


def test_what_a_processor_cannot_bear_would_be_parked(assembly: Assembly) -> None:
    plan = replace(assembly.plan, processors={"HILUM": (Refusing(),)})
    told = ask(replace(assembly, plan=plan))
    assert (told.stages[-1].step, told.stages[-1].why) == (
        "workflow",
        "ValueError: I do not like it: 1 instances, 1 workflows",
    )
