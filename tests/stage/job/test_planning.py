from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from hilum.errors import LeaseLostError, TemporaryError
from hilum.job import policy
from hilum.job.processors import JobProcessor
from hilum.ledger.lease import MAX_BEGUN
from hilum.ledger.planning import known_folders
from hilum.ledger.tables import groups
from hilum.ledger.transition import apply
from hilum.model import GroupKind, InstanceId
from hilum.states import GroupEvent
from stage.job.planning import LEASE, Broken, Planning, Workflow
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


def retry_group(desk: Reception, group: int) -> None:
    """An operator asks for it."""
    values = {"attempts": 0, "not_before": None, "remove_at": None, "why": ""}
    with desk.database.write() as connection:
        apply(connection, groups, group, GroupEvent.RETRY_ASKED, now=desk.clock(), values=values)


def test_a_closed_group_becomes_a_queued_job_with_its_folder(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    association = desk.associate().receive("1.1", content="one").receive("1.2", content="other")
    opened = clock()
    clock.forward(10)
    association.release()
    planning.tries = {"folder": 3}
    assert planning.run() == []
    job, group = desk.row("jobs"), desk.row("groups")
    assert group.state == "planned"
    assert (job.state, job.group_id, job.ae, job.workflow_name, job.workflow) == (
        "queued",
        group.id,
        "SCP",
        "lung",
        "0fcdcdea-89c6",
    )
    assert (job.engine, job.destinations, job.instances, job.bytes) == ("folder", ["PACS"], 2, len("oneother"))
    assert (job.attempt, job.last_attempt, job.not_before) == (1, 3, clock())
    folder = planning.payloads / job.name
    assert planning.folders() == [folder]
    assert job.folder == str(folder)
    assert (folder / "job.meta").read_text() == "0fcdcdea-89c6\n"
    assert {path.name: path.read_text() for path in (folder / "input").iterdir()} == {
        "1.1.dcm": "one",
        "1.2.dcm": "other",
    }
    assert json.loads((folder / "job.json").read_text()) == {
        "job": job.id,
        "name": job.name,
        "workflow": "0fcdcdea-89c6",
        "workflow-name": "lung",
        "called-ae-title": "SCP",
        "calling-ae-title": "SCANNER",
        "source-address": "10.0.0.5",
        "grouped-by": "Association",
        "instances": 2,
        "bytes": 8,
        "first-received": opened.isoformat(),
        "closed": clock().isoformat(),
        "destinations": ["PACS"],
    }
    assert [(line.machine, line.event) for line in desk.history()][-2:] == [("group", "planned"), ("job", "made")]


def test_nothing_that_identifies_the_patient_is_in_names_job_json_or_history(
    planning: Planning, desk: Reception
) -> None:
    desk.rule("SCP", GroupKind.PATIENT)
    desk.send("1.1", patient="DOE^JOHN 1234567")
    planning.run()
    (folder,) = planning.folders()
    written = [str(folder), (folder / "job.json").read_text(), *(str(line) for line in desk.history())]
    assert not any("DOE" in text or "1234567" in text for text in written)


def test_each_workflow_of_the_ae_gets_a_job_with_links_to_the_same_files(planning: Planning, desk: Reception) -> None:
    planning.workflows = [
        Workflow(name="lung", workflow="w1"),
        Workflow(name="other", clara_ae_title="OTHER"),
        Workflow(name="bone", workflow="w2", engine="gpu", destinations=("ONE", "TWO")),
    ]
    desk.send("1.1")
    planning.run()
    jobs = {job.workflow_name: job for job in desk.rows("jobs")}
    assert sorted(jobs) == ["bone", "lung"]
    assert (jobs["bone"].engine, jobs["bone"].destinations) == ("gpu", ["ONE", "TWO"])
    assert [(Path(job.folder) / "job.meta").read_text() for job in (jobs["lung"], jobs["bone"])] == ["w1\n", "w2\n"]
    inodes = {(Path(job.folder) / "input" / "1.1.dcm").stat().st_ino for job in jobs.values()}
    assert len(inodes) == 1


def test_each_group_is_planned_once(planning: Planning, desk: Reception) -> None:
    desk.send("1.1")
    desk.send("1.1")
    planning.run()
    planning.run()
    assert sorted(job.group_id for job in desk.rows("jobs")) == [1, 2]
    assert len(planning.folders()) == 2


def test_open_groups_are_left_alone(planning: Planning, desk: Reception) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    assert planning.run() == []
    assert desk.rows("jobs") == []


def test_a_crash_between_building_and_recording_makes_no_second_job(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    desk.send("1.1")
    (claimed,) = planning.step.claim(clock(), clock() + LEASE, 10)
    planning.step.act(claimed)
    before = planning.folders()
    clock.forward(60)  # the gateway died, and its lease ran out
    assert planning.run() == []
    assert len(desk.rows("jobs")) == 1
    assert planning.folders() == before


def test_whoever_has_lost_the_group_records_no_jobs(planning: Planning, desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    (slow,) = planning.step.claim(clock(), clock() + LEASE, 10)
    clock.forward(60)
    (quick,) = planning.step.claim(clock(), clock() + LEASE, 10)
    with pytest.raises(LeaseLostError):
        planning.step.record(slow, planning.step.act(slow), clock())
    assert desk.rows("jobs") == []
    planning.step.record(quick, planning.step.act(quick), clock())
    assert len(desk.rows("jobs")) == 1


def test_a_group_that_no_workflow_wants_is_kept_and_says_so(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    planning.workflows = [Workflow(clara_ae_title="OTHER")]
    desk.send("1.1")
    assert planning.run() == []
    group = desk.row("groups")
    assert (group.state, group.remove_at) == ("stored only", clock() + timedelta(days=30))
    (line,) = desk.history(event="not wanted")
    assert line.why == "no workflow for AE title SCP: stored only"
    assert "hilum retry group:1" in line.remedy
    assert planning.folders() == []


def test_a_group_that_no_workflow_wanted_gets_its_job_when_asked_again(planning: Planning, desk: Reception) -> None:
    planning.workflows = []
    desk.send("1.1")
    planning.run()
    planning.workflows = [Workflow()]
    planning.run()
    assert desk.rows("jobs") == []
    retry_group(desk, 1)
    planning.run()
    assert desk.row("groups").state == "planned"
    assert len(desk.rows("jobs")) == 1


def test_an_ae_title_that_left_the_configuration_loses_nothing(planning: Planning, desk: Reception) -> None:
    desk.send("1.1", ae="GONE")
    assert planning.run() == []
    assert desk.row("groups").state == "stored only"
    assert "AE title GONE is not in the configuration any more" in desk.row("groups").why


def test_a_processor_that_keeps_failing_parks_the_group_after_three_times(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    broken = Broken(*(ValueError(f"model {number} is missing") for number in range(1, 9)))
    planning.processors = {"SCP": [broken]}
    desk.send("1.1")
    assert len(planning.run()) == 1
    assert desk.row("groups").why == "model 1 is missing"
    assert planning.run() == []  # not before five seconds are over
    clock.forward(5)
    assert len(planning.run()) == 1
    clock.forward(29)
    assert planning.run() == []
    clock.forward(1)
    assert len(planning.run()) == 1
    assert broken.calls == 3
    group = desk.row("groups")
    assert group.state == "parked"
    (line,) = desk.history(event="cannot plan")
    assert line.why == "making its jobs failed 3 times: ValueError: model 3 is missing"
    assert line.remedy == "mend the cause, then: hilum retry group:1"
    clock.forward(86400)
    assert planning.run() == []
    assert [path.name for path in (desk.spool or Path()).glob("*/*.dcm")] == ["1.dcm"]  # kept


def test_a_parked_group_gets_three_more_tries_when_asked(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    planning.processors = {"SCP": [Broken(*[ValueError("x")] * 4)]}
    desk.send("1.1")
    for _ in range(3):
        planning.run()
        clock.forward(30)
    assert desk.row("groups").state == "parked"
    retry_group(desk, 1)
    assert len(planning.run()) == 1
    assert desk.row("groups").state == "closed"
    clock.forward(5)
    assert planning.run() == []
    assert desk.row("groups").state == "planned"


def test_a_gateway_that_dies_of_a_group_again_and_again_parks_it(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    """Also if it sometimes gets as far as an error: neither starts the count of the other again."""
    planning.processors = {"SCP": [Broken(*[ValueError("x")] * policy.MAX_ATTEMPTS)]}
    desk.send("1.1")
    for _ in range(policy.MAX_ATTEMPTS):
        assert desk.row("groups").state == "closed"
        planning.step.claim(clock(), clock() + LEASE, 10)  # and then the process is killed
        clock.forward(60)
        planning.run()
        clock.forward(60)
    assert desk.row("groups").state == "parked"


def test_a_processor_that_takes_the_gateway_down_is_not_asked_for_ever(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    deadly = Broken()
    planning.processors = {"SCP": [deadly]}
    desk.send("1.1")
    for _ in range(MAX_BEGUN):
        assert len(planning.step.claim(clock(), clock() + LEASE, 10)) == 1  # and then the process is killed
        clock.forward(60)
    planning.run()
    assert deadly.calls == 0
    assert desk.row("groups").state == "parked"
    assert f"ended {MAX_BEGUN} times in a row" in desk.row("groups").why


def test_a_processor_may_ask_for_more_time_as_often_as_it_likes(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    unwell = [TemporaryError("the platform is down", retry_after=timedelta(seconds=7))] * 5
    planning.processors = {"SCP": [Broken(*unwell, TemporaryError("still down"))]}
    desk.send("1.1")
    for _ in range(5):
        assert len(planning.run()) == 1
        assert desk.row("groups").not_before == clock.in_(7)
        clock.forward(7)
    assert len(planning.run()) == 1
    assert desk.row("groups").not_before == clock.in_(30)
    assert desk.row("groups").why == "still down"
    clock.forward(30)
    assert planning.run() == []
    assert (desk.row("groups").state, desk.row("groups").why) == ("planned", "")


def test_a_group_that_fails_keeps_no_other_waiting(planning: Planning, desk: Reception) -> None:
    planning.processors = {"BAD": [Broken(*[ValueError("x")] * 9)], "SCP": [JobProcessor()]}
    desk.send("1.1", ae="BAD")
    desk.send("1.2")
    planning.run()
    assert {row.ae: row.state for row in desk.rows("groups")} == {"BAD": "closed", "SCP": "planned"}


def test_an_instance_that_is_gone_from_the_spool_is_for_the_operator(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    association = desk.send("1.1", "1.2")
    assert desk.spool is not None
    (desk.spool / association.id / "2.dcm").unlink()
    for _ in range(3):
        planning.run()
        clock.forward(30)
    assert desk.row("groups").state == "parked"
    assert f"{association.id}/2.dcm is gone from the spool" in desk.row("groups").why
    assert planning.folders() == []


class Split:
    """One job for each instance."""

    def plan(self, group: policy.Group, workflows: Sequence[policy.Workflow]) -> Sequence[policy.JobPlan]:
        return [
            policy.JobPlan(
                label=member.header.sop_instance,
                workflow_name=workflows[0].name,
                workflow=workflows[0].workflow,
                engine=workflows[0].engine,
                destinations=(),
                instances=frozenset({InstanceId(member.id)}),
            )
            for member in group.members
        ]


def test_a_processor_may_make_several_jobs_of_parts_of_a_group(planning: Planning, desk: Reception) -> None:
    planning.processors = {"SCP": [Split()]}
    desk.associate().receive("1.1").receive("1.2").receive("1.1").release()
    assert planning.run() == []
    found = [[path.name for path in (Path(job.folder) / "input").iterdir()] for job in desk.rows("jobs")]
    assert sorted(found) == [["1.1.dcm"], ["1.2.dcm"]]
    assert [job.instances for job in desk.rows("jobs")] == [1, 1]
    assert len({job.name for job in desk.rows("jobs")}) == 2


def test_several_processors_of_an_ae_are_all_asked(planning: Planning, desk: Reception) -> None:
    planning.processors = {"SCP": [JobProcessor(), Split()]}
    desk.send("1.1")
    planning.run()
    assert len(desk.rows("jobs")) == 2


def test_two_jobs_of_one_label_are_told_to_the_operator_in_plain_words(
    planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    planning.processors = {"SCP": [JobProcessor(), JobProcessor()]}
    desk.send("1.1")
    for _ in range(3):
        planning.run()
        clock.forward(30)
    assert desk.row("groups").state == "parked"
    assert "its processors made 2 jobs with the label 'lung'" in desk.row("groups").why
    assert desk.rows("jobs") == []


def test_the_lease_of_a_long_copy_is_kept(planning: Planning, desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    claimed = planning.step.claim(clock(), clock() + LEASE, 10)
    clock.forward(50)
    planning.step.renew(claimed, clock() + LEASE)
    clock.forward(50)
    assert planning.step.claim(clock(), clock() + LEASE, 10) == ()
    planning.step.record(claimed[0], planning.step.act(claimed[0]), clock())


def test_known_folders_are_found_among_many(planning: Planning, desk: Reception) -> None:
    desk.send("1.1")
    planning.run()
    name = desk.row("jobs").name
    with desk.database.read() as connection:
        assert known_folders(connection, [f"x{number}" for number in range(1200)] + [name]) == {name}
        assert known_folders(connection, []) == set()
