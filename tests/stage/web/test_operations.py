"""Each operation, with what it really changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.pacs import Pacs
from hilum import states
from hilum.association.observer import Tally
from hilum.model import AETitle, AssociationId, AssociationInfo
from stage.web.office import KEYS, Office


def states_of(office: Office, table: str) -> dict[str, str]:
    return {str(row.id): row.state for row in office.reception.rows(table)}


# --- status


def test_status_tells_what_needs_attention_with_reason_remedy_and_what_to_press(filled: Office) -> None:
    status = filled.get("/status")
    points = {(one["matter"], one["subject"]): one for one in status["attention"]}
    failed = points["jobs failed", "02lung"]
    assert failed["why"] == "the command ended with exit code 3"
    assert failed["remedy"]
    assert (failed["page"], failed["operation"]) == ("/jobs/02lung", "/jobs/02lung/retry")
    assert points["given up", "PACS"]["operation"] == "/destinations/PACS/retry"
    held = points["held", filled.reception.row("associations", state="held").id]
    assert held["operation"] == f"/associations/{held['subject']}/accept"
    assert points["rejected", "10.9.9.9"]["remedy"] == "add the source"
    (parked,) = [one for one in status["attention"] if one["matter"] == "parked"]
    assert parked["operation"] == f"/groups/{parked['subject']}/retry"


def test_each_operation_that_status_names_does_something(filled: Office) -> None:
    for one in filled.get("/status")["attention"]:
        if one["operation"] and not one["operation"].endswith("/echo"):
            assert filled.post(one["operation"])["done"], one


def test_status_counts_and_tells_since_when_queues_wait(filled: Office) -> None:
    status = filled.get("/status")
    assert status["associations"] == {"open": 0, "held": 1}
    assert status["jobs"]["failed"] == 1
    assert status["jobs"]["queued"] == 1
    assert set(status["jobs"]) == {state.value for state in states.Job}
    queues = {one["queue"]: one for one in status["queues"]}
    queued = filled.reception.row("jobs", state="queued")
    assert queues["jobs queued"]["oldest"] == queued.created_at.isoformat().replace("+00:00", "Z")
    assert queues["groups closed"] == {"queue": "groups closed", "count": 0, "oldest": None}
    assert len(status["minutes"]) == 15
    assert sum(minute["received"] for minute in status["minutes"]) == 11
    assert sum(minute["delivered"] for minute in status["minutes"]) == 2
    assert {one["name"]: one["state"] for one in status["destinations"]} == {"ARCHIVE": "down", "PACS": "up"}
    assert all(disk["watermark-percent"] == 100 for disk in status["disks"])


# --- associations


def test_associations_are_listed_the_last_first_and_filtered(filled: Office) -> None:
    found = filled.get("/associations")["items"]
    assert [one["id"] for one in found] == sorted((one["id"] for one in found), reverse=True)
    assert {one["state"] for one in found} == {"released", "held", "open"}
    (held,) = filled.get("/associations", state="held")["items"]
    assert (held["why"], held["instances"]) == ("aborted: the peer sent A-ABORT", 1)
    assert [one["called"] for one in filled.get("/associations", called="WINDOW")["items"]] == ["WINDOW"]
    assert filled.get("/associations", calling="NOBODY")["items"] == []
    assert filled.get("/associations", host="10.0.0.5", state="open")["items"][0]["owner"] == "gateway"
    assert filled.get("/associations", until="2026-11-22T00:00:00Z")["items"] == []
    assert len(filled.get("/associations", since="2026-11-22T00:00:00Z")["items"]) == len(found)


def test_one_that_has_stored_nothing_yet_is_shown_with_what_has_come(filled: Office) -> None:
    info = AssociationInfo(
        id=AssociationId("20261122T091500000000-00000001"),
        calling=AETitle("CT1"),
        called=AETitle("SCP"),
        host="10.0.0.7",
        port=40000,
        opened_at=filled.clock(),
    )
    filled.talking.append(info)
    filled.progress[info.id] = Tally(stored=3, refused=1, data_bytes=1000)
    first = filled.get("/associations")["items"][0]
    assert (first["id"], first["state"], first["instances"], first["refused"], first["bytes"]) == (
        info.id,
        "open",
        3,
        1,
        1000,
    )
    assert [one["id"] for one in filled.get("/associations", calling="CT1")["items"]] == [info.id]
    assert filled.get("/associations", calling="CT2")["items"] == []
    assert filled.get("/associations", state="held")["items"][0]["id"] != info.id
    assert filled.get(f"/associations/{info.id}")["association"]["instances"] == 3
    assert filled.get("/status")["associations"]["open"] == 1
    assert info.id in [one["id"] for page in filled.pages("/associations", limit=1) for one in page]


def test_an_association_is_shown_with_its_groups_and_what_happened(filled: Office) -> None:
    first = filled.reception.rows("associations")[0]
    found = filled.get(f"/associations/{first.id}")
    assert found["association"]["instances"] == 2
    assert [group["id"] for group in found["groups"]] == [1]
    assert "released" in [line["event"] for line in found["timeline"]]
    assert "history" in filled.get("/associations/nothing", 404)["detail"]


def test_who_was_rejected_is_listed_with_the_remedy(filled: Office) -> None:
    filled.tell("association", "10.9.9.8", "rejected", "called AE title NOBODY is not known", "correct the title")
    first, second = filled.get("/associations/rejected")["items"]
    assert (first["subject"], first["remedy"]) == ("10.9.9.8", "correct the title")
    assert second["subject"] == "10.9.9.9"
    assert [[one["subject"] for one in page] for page in filled.pages("/associations/rejected", limit=1)] == [
        ["10.9.9.8"],
        ["10.9.9.9"],
    ]


def test_a_held_association_is_accepted(filled: Office) -> None:
    held = filled.reception.row("associations", state="held")
    assert "1 instances from SCANNER" in filled.post(f"/associations/{held.id}/accept")["done"]
    assert filled.reception.row("associations", id=held.id).state == "accepting"
    assert filled.woken == 1
    assert "no held association" in filled.post(f"/associations/{held.id}/accept", 404)["detail"]


def test_what_is_not_open_here_cannot_be_aborted(filled: Office) -> None:
    released = filled.reception.rows("associations", state="released")[0]
    assert "is not open any more" in filled.post(f"/associations/{released.id}/abort", 409)["detail"]
    filled.post("/associations/nothing/abort", 404)


# --- groups


def test_groups_are_listed_open_ones_first_with_the_time_they_close(filled: Office) -> None:
    found = filled.get("/groups")["items"]
    assert [one["state"] for one in found] == ["open", "parked", "planned", "planned", "planned", "planned"]
    assert found[0]["closes-at"] == filled.reception.row("groups", state="open").closes_at.isoformat().replace(
        "+00:00", "Z"
    )
    assert [one["id"] for one in filled.get("/groups", state="parked")["items"]] == [found[1]["id"]]
    assert len(filled.get("/groups", state=["parked", "open"])["items"]) == 2
    assert [one["id"] for one in filled.get("/groups", study="1.2")["items"]] == [2]
    assert [one["id"] for one in filled.get("/groups", patient="P1.3")["items"]] == [3]
    assert filled.get("/groups", study="1.2", patient="P1.3")["items"] == []
    assert {one["ae"] for one in filled.get("/groups", ae="WINDOW")["items"]} == {"WINDOW"}


def test_a_group_is_shown_with_its_senders_instances_and_story(filled: Office) -> None:
    assert filled.get("/groups/2")["instances"] == 2
    assert [one["calling"] for one in filled.get("/groups/2/senders")] == ["SCANNER"]
    assert [one["sop-instance"] for one in filled.get("/groups/2/instances")["items"]] == ["1.2.2", "1.2.1"]
    assert [len(page) for page in filled.pages("/groups/2/instances", limit=1)] == [1, 1]
    assert [line["event"] for line in filled.get("/groups/2/timeline")] == ["made", "planned"]
    filled.get("/groups/99", 404)
    filled.get("/groups/99/instances", 404)
    filled.get("/groups/99/senders", 404)


def test_an_open_group_is_closed_and_no_other_one(filled: Office) -> None:
    group = filled.reception.row("groups", state="open")
    assert filled.post(f"/groups/{group.id}/close")["done"] == f"Group {group.id} is closed"
    assert filled.reception.row("groups", id=group.id).state == "closed"
    assert "nothing to close" in filled.post(f"/groups/{group.id}/close", 409)["detail"]
    filled.post("/groups/99/close", 404)


def test_a_parked_group_is_given_to_the_workflows_again(filled: Office) -> None:
    group = filled.reception.row("groups", state="parked")
    assert "to the workflows again" in filled.post(f"/groups/{group.id}/retry")["done"]
    assert filled.reception.row("groups", id=group.id).state == "closed"
    filled.post("/groups/1/retry", 409)


# --- jobs


def test_jobs_are_found_by_state_ae_workflow_time_study_and_patient(filled: Office) -> None:
    def ids(**filters: object) -> list[str]:
        return [one["id"] for one in filled.get("/jobs", 200, **filters)["items"]]

    everything = ids()
    assert set(everything) == {"01lung", "02lung", "03lung", "04lung"}
    assert ids(state="failed") == ["02lung"]
    assert set(ids(ae="SCP")) == set(everything)
    assert ids(ae="OTHER") == []
    assert set(ids(workflow="lung")) == set(ids(workflow="uuid-of-lung")) == set(everything)
    assert ids(study="1.3") == ["03lung"]
    assert ids(patient="P1.4") == ["04lung"]
    assert ids(study="1.3", patient="P1.4") == []
    assert ids(group=1) == ["01lung"]
    made = filled.reception.row("jobs", id="01lung").created_at
    assert set(ids(since=made.isoformat())) == set(everything)
    assert ids(until=made.isoformat()) == []
    assert ids(study="1.3", state="failed") == []


def test_a_job_is_found_by_the_beginning_of_its_name(filled: Office) -> None:
    assert filled.get("/jobs/02lung")["why"] == "the command ended with exit code 3"
    assert filled.get("/jobs/job-02")["id"] == "02lung"
    assert "beginning of more than one" in filled.get("/jobs/job-0", 404)["detail"]
    filled.get("/jobs/nothing", 404)


def test_a_job_tells_its_timeline_results_and_log(filled: Office) -> None:
    story = filled.get("/jobs/03lung/timeline")["items"]
    assert [line["event"] for line in story if line["machine"] == "job"] == [
        "made",
        "started",
        "succeeded",
        "collected",
    ]
    assert [line["destination"] for line in story if line["event"] == "accepted"] == ["PACS", "PACS"]
    assert [line for page in filled.pages("/jobs/03lung/timeline", limit=2) for line in page] == story
    assert [one["path"] for one in filled.get("/jobs/03lung/results")["items"]] == ["a.dcm", "b.dcm"]
    assert [[one["path"] for one in page] for page in filled.pages("/jobs/03lung/results", limit=1)] == [
        ["a.dcm"],
        ["b.dcm"],
    ]
    run = filled.site.folder / "payloads" / "02lung" / "run" / "1"
    run.mkdir(parents=True)
    (run / "log.txt").write_text("loading\n\x1b[31mout of memory\x1b[0m\n")
    assert filled.get("/jobs/02lung/log", lines=1) == {"attempt": 1, "lines": ["out of memory"]}
    assert filled.get("/jobs/02lung/log")["lines"] == ["loading", "out of memory"]
    assert filled.get("/jobs/03lung/log")["lines"] == []


def test_a_failed_job_is_run_again_and_one_that_waits_is_not(filled: Office) -> None:
    assert "is queued again" in filled.post("/jobs/02lung/retry")["done"]
    assert filled.reception.row("jobs", id="02lung").state == "queued"
    assert "there is nothing to retry" in filled.post("/jobs/01lung/retry", 409)["detail"]


def test_a_job_is_cancelled(filled: Office) -> None:
    assert "Cancelled job" in filled.post("/jobs/01lung/cancel")["done"]
    assert filled.reception.row("jobs", id="01lung").state == "cancelled"
    assert "nothing to cancel" in filled.post("/jobs/01lung/cancel", 409)["detail"]


# --- deliveries and destinations


def test_deliveries_are_filtered(filled: Office) -> None:
    assert sorted(one["state"] for one in filled.get("/deliveries")["items"]) == ["delivered", "delivered", "given up"]
    (lost,) = filled.get("/deliveries", state="given up")["items"]
    assert (lost["status"], lost["job-id"]) == (0xC000, "04lung")
    assert [one["path"] for one in filled.get("/deliveries", job="03lung")["items"]] == ["a.dcm", "b.dcm"]
    assert filled.get("/deliveries", destination="ARCHIVE")["items"] == []
    assert filled.get(f"/deliveries/{lost['id']}")["why"] == "the destination answered status C000H"
    filled.get("/deliveries/99", 404)
    filled.get("/deliveries", 404, job="nothing")


def test_a_delivery_that_was_given_up_is_tried_again_and_one_that_arrived_is_not(filled: Office) -> None:
    lost = filled.reception.row("deliveries", state="given up")
    assert filled.post(f"/deliveries/{lost.id}/retry")["done"] == f"Delivery {lost.id} will be tried now"
    assert filled.reception.row("deliveries", id=lost.id).state == "due"
    arrived = filled.reception.rows("deliveries", state="delivered")[0]
    assert "has been delivered" in filled.post(f"/deliveries/{arrived.id}/retry", 409)["detail"]
    filled.post("/deliveries/99/retry", 404)


def test_many_are_tried_again_by_what_they_have_in_common(filled: Office) -> None:
    assert "1 delivery will be tried" in filled.post("/deliveries/retry", 202, {"destination": "PACS"})["done"]
    assert filled.count("deliveries", state="due") == 1
    assert "no delivery that is given up" in filled.post("/deliveries/retry", 409, {})["detail"]
    waiting = filled.reception.row("deliveries", state="due")
    filled.clock.forward(60)
    filled.post("/deliveries/retry", 202, {"state": "due", "job": "04lung"})
    assert filled.reception.row("deliveries", id=waiting.id).queued_at == filled.clock()
    filled.post("/deliveries/retry", 404, {"job": "nothing"})
    filled.post("/deliveries/retry", 409, {"state": "delivered"})
    filled.post("/deliveries/retry", 422, {"state": "lost"})


def test_more_than_one_batch_is_tried_again(office: Office) -> None:
    for study in range(3):
        office.reception.send(f"1.{study}", study=f"1.{study}")
    office.plan("lung")
    for number in range(1, 4):
        office.collect(f"{number:02}lung", *(f"{file:03}.dcm" for file in range(90)))
        office.clock.forward(1)
    for _ in range(3):
        office.give_up()
    assert office.post("/destinations/PACS/retry")["done"] == "270 deliveries will be tried now"
    assert office.count("deliveries", state="due") == 270
    assert office.count("history", event="retry asked", machine="delivery") == 270


def test_what_an_operator_cancelled_is_only_tried_again_with_its_job(filled: Office) -> None:
    filled.post("/jobs/04lung/retry")
    filled.post("/jobs/04lung/cancel")
    assert "cancelled by an operator" in filled.post("/destinations/PACS/retry", 409)["detail"]
    filled.post("/deliveries/retry", 202, {"job": "04lung"})
    assert filled.count("deliveries", state="due") == 1


def test_what_is_being_tried_is_left_alone(office: Office) -> None:
    office.reception.send("1.1")
    office.plan("lung")
    office.collect("01lung", "a.dcm")
    office.parcel(lambda *_given, **_named: None)
    assert "being tried" in office.post("/deliveries/retry", 409, {"state": "due"})["detail"]


def test_destinations_tell_queue_rate_error_and_next_try(filled: Office) -> None:
    archive, pacs = filled.get("/destinations")
    assert (archive["name"], archive["due"], archive["next-try"]) == ("ARCHIVE", 0, None)
    assert (pacs["delivered"], pacs["given-up"], pacs["per-minute"]) == (2, 1, 0.4)
    assert pacs["address"] == "PACS@127.0.0.1:1"
    assert pacs["drained-in"] == 0
    filled.clock.forward(301)
    assert filled.get("/destinations/PACS")["per-minute"] == 0
    filled.get("/destinations/NOWHERE", 404)


def test_a_destination_is_paused_and_resumed(filled: Office) -> None:
    filled.post("/destinations/PACS/retry")
    assert "deliveries wait" in filled.post("/destinations/PACS/pause")["done"]
    paused = filled.get("/destinations/PACS")
    assert (paused["state"], paused["due"], paused["next-try"]) == ("paused", 1, None)
    (point,) = [one for one in filled.get("/status")["attention"] if one["matter"] == "paused"]
    assert (point["subject"], point["operation"]) == ("PACS", "/destinations/PACS/resume")
    assert "paused already" in filled.post("/destinations/PACS/pause", 409)["detail"]
    due = filled.reception.row("deliveries", state="due")
    assert "when PACS is resumed" in filled.post(f"/deliveries/{due.id}/retry")["done"]
    assert "with 1 delivery due" in filled.post(point["operation"])["done"]
    assert filled.get("/destinations/PACS")["state"] == "up"
    filled.post("/destinations/PACS/resume", 409)
    filled.post("/destinations/NOWHERE/pause", 404)
    filled.post("/destinations/NOWHERE/resume", 404)


def test_an_echo_tells_what_was_found(office: Office, pacs: Pacs) -> None:
    refused = office.post("/config/destinations/PACS/echo", 200)
    assert (refused["ok"], refused["status"]) == (False, None)
    assert "refused" in refused["found"]
    office.site.configure({"dicom": {"scu": {"destinations": [pacs.destination]}}})
    answered = office.post("/config/destinations/PACS/echo", 200)
    assert (answered["ok"], answered["status"], answered["remedy"]) == (True, "0000H", "")
    assert answered["echo-seconds"] > 0
    wrong = {**pacs.destination, "ae-title": "OTHER"}
    office.site.configure({"dicom": {"scu": {"destinations": [wrong]}}})
    rejected = office.post("/config/destinations/PACS/echo", 200)
    assert "does not call itself OTHER" in rejected["remedy"]
    office.post("/config/destinations/NOWHERE/echo", 404)


# --- instances


def test_instances_are_found_by_what_somebody_can_name(filled: Office) -> None:
    def uids(**filters: object) -> list[str]:
        return [one["sop-instance"] for one in filled.get("/instances", 200, **filters)["items"]]

    assert uids(study="1.2") == ["1.2.2", "1.2.1"]
    assert uids(patient="P1.2") == ["1.2.2", "1.2.1"]
    assert uids(**{"sop-instance": "1.2.1"}) == ["1.2.1"]
    assert uids(study="1.2", **{"sop-instance": "1.3.1"}) == []
    assert uids(series="1.1.1", patient="P1.4") == ["1.4.2", "1.4.1"]
    assert uids(group=2) == ["1.2.2", "1.2.1"]
    held = filled.reception.row("associations", state="held")
    (one,) = filled.get("/instances", association=held.id)["items"]
    assert (one["place"], one["group"], one["calling"]) == ("held", None, "SCANNER")
    assert filled.get(f"/instances/{one['id']}") == one
    assert [one["place"] for one in filled.get("/instances", study="1.3")["items"]] == ["in jobs", "in jobs"]
    filled.get("/instances/99", 404)


# --- history


def test_history_tells_what_went_wrong_and_on_request_everything(filled: Office) -> None:
    notable = filled.get("/history")["items"]
    assert [line["id"] for line in notable] == sorted((line["id"] for line in notable), reverse=True)
    assert all(line["remedy"] or line["event"] in {"broken", "failed"} for line in notable)
    everything = filled.get("/history", all=True, limit=500)["items"]
    assert len(everything) == filled.count("history")
    assert {line["machine"] for line in filled.get("/history", machine="job", all=True)["items"]} == {"job"}
    about = filled.get("/history", machine="job", subject="02lung", all=True)["items"]
    assert [line["event"] for line in about] == ["failed", "started", "made"]
    assert "needs `machine`" in filled.get("/history", 422, subject="02lung")["detail"]


def test_history_is_searched_for_a_text_and_a_time(filled: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = filled.get("/history", text="stranger")["items"]
    assert line["remedy"] == "add the source"
    assert filled.get("/history", text="100%")["items"] == []
    now = filled.clock()
    assert filled.get("/history", since=(now + timedelta(seconds=1)).isoformat())["items"] == []
    assert filled.get("/history", until=(now - timedelta(days=1)).isoformat())["items"] == []
    assert len(filled.get("/history", all=True, until=(now + timedelta(seconds=1)).isoformat(), limit=500)["items"]) > 9
    monkeypatch.setattr("hilum.ledger.annals.TEXT_REACH", 5)
    pages = filled.pages("/history", text="exit code 3", all=True)
    assert [line["subject"] for page in pages for line in page] == ["02lung"]
    assert len(pages) > 3


# --- configuration


def test_the_effective_configuration_hides_secrets(office: Office) -> None:
    office.site.configure({**KEYS, "web": {"token": "a secret of this gateway"}})
    found = office.get("/config")
    assert found["path"] == str(office.site.path)
    assert "a secret of this gateway" not in str(found)
    assert found["settings"]["web"]["token"] == "********"
    assert found["settings"]["dicom"]["scu"]["destinations"][0]["name"] == "PACS"
    assert "ae-title: SCP" in found["text"]
    assert isinstance(found["warnings"], list)


def test_a_text_is_validated_and_compared_without_changing_anything(office: Office) -> None:
    before = office.site.path.read_text()

    def validate(text: str | bytes) -> dict[str, object]:
        answer = office.client.post(
            "/api/v1/config/validate", content=text, headers={"content-type": "application/yaml"}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    assert validate(before) == {"valid": True, "problems": [], "warnings": [], "changed": [], "waits": []}
    changed = validate(before.replace("give-up-after", "give-up-after") + "\nstorage: {scan-seconds: 2}\n")
    assert changed["valid"] is False  # storage is there twice
    other = validate(before.replace("scan-seconds: 0.05", "scan-seconds: 2").replace("port: 0", "port: 11112"))
    assert (other["valid"], other["changed"], other["waits"]) == (
        True,
        ["dicom.scp.port", "storage.scan-seconds"],
        ["dicom.scp.port"],
    )
    wrong = validate("dicom:\n  scp:\n    prot: 104\n")
    (problem,) = wrong["problems"]  # type: ignore[misc]
    assert problem["where"] == f"{office.site.path}:3:5"
    assert "port" in problem["message"]
    assert validate("# nothing\n")["valid"] is False
    assert validate("a: [1")["valid"] is False
    assert office.site.path.read_text() == before


def test_a_reload_tells_what_changed_or_everything_that_is_wrong(office: Office) -> None:
    assert "nothing has changed" in office.post("/config/reload", 200)["done"]
    office.site.path.write_text(office.site.path.read_text().replace("scan-seconds: 0.05", "scan-seconds: 2"))
    assert office.post("/config/reload", 200)["changed"] == ["storage.scan-seconds"]
    office.site.path.write_text("dicom: {scp: {prot: 104}}\nwebb: {}\n")
    refused = office.post("/config/reload", 422)
    assert len(refused["problems"]) == 2
    assert all(str(office.site.path) in one for one in refused["problems"])


# --- what all have in common


@pytest.mark.parametrize(
    "path", ["/jobs", "/groups", "/associations", "/deliveries", "/instances", "/history?all=true"], ids=str
)
def test_pages_together_are_the_list(filled: Office, path: str) -> None:
    whole = filled.get(path, 200, **({} if "?" in path else {"limit": 500}))
    for limit in (1, 2, 3):
        query = f"{path}{'&' if '?' in path else '?'}limit={limit}"
        pages, cursor = [], ""
        while True:
            sheet = filled.get(f"{query}&cursor={cursor}" if cursor else query)
            pages.append(sheet["items"])
            if not (cursor := sheet["next"]):
                break
        assert [one for page in pages for one in page] == whole["items"]
        assert {len(page) for page in pages[:-1]} <= {limit}


def test_what_comes_between_two_pages_is_not_told_twice(filled: Office) -> None:
    first = filled.get("/instances", limit=2)
    filled.reception.send("9.1", "9.2", study="9")
    second = filled.get("/instances", limit=500, cursor=first["next"])
    assert len(first["items"] + second["items"]) == filled.count("instances") - 2


@pytest.mark.parametrize("cursor", ["x", "", "bnVsbA", "W10", "WzFd" * 100, "WyJhIiwiYiIsImMiXQ", "W251bGxd", "ä"])
def test_a_cursor_of_something_else_is_refused(filled: Office, cursor: str) -> None:
    assert "cursor" in filled.get("/jobs", 422, cursor=cursor)["detail"]


def test_an_answer_that_somebody_has_is_not_sent_again(filled: Office) -> None:
    for path in ("/jobs/02lung", "/config", "/groups/1", "/destinations/PACS"):
        answer = filled.client.get(f"/api/v1{path}")
        tag = answer.headers["etag"]
        assert tag.startswith('W/"')
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = filled.client.get(f"/api/v1{path}", headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert filled.client.get(f"/api/v1{path}", headers={"if-none-match": 'W/"other"'}).status_code == 200
    before = filled.client.get("/api/v1/jobs/02lung").headers["etag"]
    filled.post("/jobs/02lung/retry")
    assert filled.client.get("/api/v1/jobs/02lung", headers={"if-none-match": before}).status_code == 200


def test_problems_are_told_as_problems(filled: Office) -> None:
    assert filled.get("/nothing", 404)["title"] == "Not Found"
    assert filled.get("/jobs/", 404)["status"] == 404
    answer = filled.client.delete("/api/v1/jobs/02lung")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    wrong = filled.get("/jobs", 422, limit=0, state="done")
    assert len(wrong["problems"]) == 2
    for value in ("2026-01-01T00:00:00", "0001-01-01T00:00:00+10:00", "yesterday"):
        filled.get("/jobs", 422, since=value)
    filled.get(f"/groups/{2**63}", 422)
    filled.get("/groups/0", 422)


def test_an_unknown_address_is_a_page_for_whoever_looks_and_a_problem_for_programs(filled: Office) -> None:
    looks = {"accept": "text/html,*/*"}
    answer = filled.client.get("/nothing/<b>", headers=looks)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in answer.text
    assert '<a href="/">To the overview</a>' in answer.text
    assert "<b>" not in answer.text
    for path, headers in (("/nothing", {}), ("/api/v1/nothing", looks), ("/nothing", {"accept": "application/json"})):
        answer = filled.client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
    assert filled.client.post("/nothing", headers=looks).headers["content-type"] == "application/problem+json"


def test_whether_it_is_ready_is_a_cheap_question(filled: Office) -> None:
    with filled.database.write() as connection:
        for table in ("deliveries", "destinations", "jobs", "history"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_gone")
    assert filled.client.get("/health/ready").text == "ready\n", "nothing was counted"
    with filled.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    answer = filled.client.get("/health/ready")
    assert (answer.status_code, answer.text.split(":")[0]) == (503, "ledger")


def test_a_ledger_that_cannot_be_used_says_so(filled: Office) -> None:
    with filled.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO gone")
    assert "does not fit" in filled.get("/jobs", 409)["detail"]
