from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hilum.explain import answer
from hilum.explain.explanation import Around, Tone
from hilum.explain.findings import findings
from hilum.explain.timeline import Moment
from hilum.ledger.dossier import Dossier
from hilum.ledger.inquiry import Kind, Match
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.model import AssociationId, GroupId
from hilum.states import Association, Group

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
OPEN = AssociationView(
    id=AssociationId("20261122T081500000001-00000001"),
    state=Association.OPEN,
    owner="gateway",
    port=50000,
    ignored=0,
    refused=0,
    calling="CT1",
    called="HILUM",
    host="10.0.0.5",
    opened_at=NOW,
    ended_at=None,
    instances=0,
    bytes=0,
    why="",
    folder="x",
    remove_at=None,
)
GROUP = GroupView(
    id=GroupId(7),
    state=Group.OPEN,
    ae="HILUM",
    kind="Patient",
    key="ANNA-7",
    calling="CT1",
    host="10.0.0.5",
    opened_at=NOW,
    last_received_at=NOW,
    closes_at=NOW + timedelta(seconds=20),
    closed_at=None,
    awaited=False,
    instances=3,
    bytes=9,
    jobs=0,
    why="",
    remove_at=None,
)


def line(event: str, why: str, *, at: datetime = NOW, subject: str = "10.0.0.9", remedy: str = "do it") -> HistoryLine:
    return HistoryLine(
        id=1,
        at=at,
        machine="association",
        subject=subject,
        from_state="",
        event=event,
        to_state="",
        why=why,
        remedy=remedy,
    )


def dossier(*groups: GroupView) -> Dossier:
    return Dossier(
        match=Match(kind=Kind.GROUP, id="7"),
        patients=("ANNA-7",),
        parts=(),
        associations=(),
        groups=groups,
        jobs=(),
        results=(),
        deliveries=(),
        history=(),
    )


def test_a_group_tells_what_it_waits_for_and_not_whose_it_is() -> None:
    [found] = findings(dossier(GROUP), Around(now=NOW, running=True))
    assert found.what == "3 instances wait in group 7 for more of the same patient"
    assert found.why == "if nothing more comes, it closes in 20 s"
    assert "ANNA" not in str(answer.of_one(dossier(GROUP), Around(now=NOW), asked="group:7"))
    assert answer.of_one(dossier(GROUP), Around(now=NOW), asked="group:7", personal=True).patients == ("ANNA-7",)


def test_what_waits_while_no_gateway_runs_waits_in_vain() -> None:
    found = findings(dossier(GROUP), Around(now=NOW, running=False))
    assert [one.place for one in found] == ["gateway", "group"]
    assert found[0].remedies[0].command == "hilum serve"


def test_of_nothing_the_latest_rejections_are_told_once_each() -> None:
    lines = [
        line("rejected", "a", at=NOW - timedelta(hours=2)),
        line("rejected", "b"),
        line("rejected", "a", at=NOW - timedelta(hours=1)),
    ]
    told = answer.of_nothing(lines, {}, [], Around(now=NOW), asked="1.2.3", since=NOW - timedelta(days=2))
    assert [one.why for one in told.findings[:2]] == ["b", "a"]
    assert "An association from 10.0.0.9 was rejected 2 times, last at " in told.findings[1].what
    assert told.findings[1].remedies[0].text == "do it"
    assert told.findings[-1].place == "never came"
    assert told.summary == "Nothing is known of 1.2.3"


def test_of_nothing_an_open_association_may_be_bringing_it() -> None:
    told = answer.of_nothing([], {OPEN.id: 2}, [OPEN], Around(now=NOW), asked="1.2.3", since=NOW)
    assert told.findings[0].tone is Tone.WAITS
    assert told.findings[0].count == 2
    assert told.summary.endswith("it is arriving just now")
    told = answer.of_nothing([], {}, [OPEN], Around(now=NOW), asked="1.2.3", since=NOW)
    assert "CT1 (10.0.0.5) is sending to HILUM" in told.findings[0].what


def test_steps_have_the_time_between_them() -> None:
    moments = [
        Moment(at=NOW, text="opened", count=1, noun="association"),
        Moment(at=NOW + timedelta(seconds=2), text="released", count=3, noun="association"),
    ]
    told = answer.steps(moments)
    assert [(one.after, one.what) for one in told] == [(0.0, "association opened"), (2.0, "3 associations released")]
