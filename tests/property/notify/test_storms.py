"""No storm makes more notices than the bound, and none of what happened is left out of their counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hilum.model import NoticeId, Phase, Topic
from hilum.notify.policy import End, Gather, Last, Lasting, News, Write, weigh

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)
AGAIN = timedelta(minutes=10)


@dataclass
class Row:
    phase: Phase
    due_at: datetime
    count: int = 1
    over: bool = False
    begun: bool = False
    given_up: bool = False
    sent_at: datetime | None = None


class Paper:
    """One channel and one subject: what the ledger and the two steps do, on paper."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.now = BEGIN

    def news(self, phase: Phase) -> None:
        told = News(topic=Topic.DESTINATION_DOWN, phase=phase, subject="PACS", at=self.now)
        kept = [(number, row) for number, row in enumerate(self.rows) if row.phase is not Phase.OVER]
        number, row = max(kept, key=lambda pair: (pair[1].due_at, pair[0]), default=(0, None))
        verdict = weigh(
            told,
            last=None if row is None else Last(id=NoticeId(number), due_at=row.due_at, fresh=not row.begun),
            lasting=[
                Lasting(id=NoticeId(index), told=one.begun and not one.given_up) for index, one in kept if not one.over
            ],
            again_after=AGAIN,
            now=self.now,
        )
        match verdict:
            case Write(due_at=due_at):
                self.rows.append(Row(phase, due_at))
            case Gather(into=into):
                assert not self.rows[into].begun, "what may have been received never changes"
                self.rows[into].count += 1
                self.rows[into].over = False
            case End(over=over, say=say):
                for index in over:
                    self.rows[index].over = True
                if say:
                    self.rows.append(Row(Phase.OVER, self.now))

    def send(self, *, works: bool) -> None:
        for row in self.rows:
            if row.due_at <= self.now and row.sent_at is None:
                row.begun = True
                row.sent_at = self.now if works else None


moments = st.lists(
    st.tuples(st.sampled_from(["down", "up", "send", "fail"]), st.integers(min_value=0, max_value=900)),
    max_size=80,
)


@given(moments)
def test_storms_are_bounded_and_nothing_is_forgotten(happens: list[tuple[str, int]]) -> None:
    paper, downs = Paper(), 0
    for what, seconds in happens:
        paper.now += timedelta(seconds=seconds)
        if what == "down":
            downs += 1
            paper.news(Phase.BEGAN)
        elif what == "up":
            paper.news(Phase.OVER)
        else:
            paper.send(works=what == "send")
    began = [row for row in paper.rows if row.phase is Phase.BEGAN]
    assert sum(row.count for row in began) == downs, "each is counted, and once"
    due = sorted(row.due_at for row in began)
    assert all(later - earlier >= AGAIN for earlier, later in pairwise(due))
    over = [row for row in paper.rows if row.phase is Phase.OVER]
    assert len(over) <= len([row for row in began if row.begun]), "an end for each beginning that was told, at most"
    if downs:
        assert began[0].due_at <= paper.now, "the first is not made to wait"


@given(moments)
def test_whoever_was_told_of_a_beginning_is_told_of_its_end(happens: list[tuple[str, int]]) -> None:
    paper = Paper()
    for what, seconds in happens:
        paper.now += timedelta(seconds=seconds)
        if what in {"down", "up"}:
            paper.news(Phase.BEGAN if what == "down" else Phase.OVER)
        else:
            paper.send(works=True)
    paper.news(Phase.OVER)
    paper.now += AGAIN
    paper.send(works=True)
    last = max((row for row in paper.rows), key=lambda row: row.sent_at or BEGIN, default=None)
    if last is not None:
        told_last = [row for row in paper.rows if row.sent_at == last.sent_at]
        assert any(row.phase is Phase.OVER or row.over for row in told_last)
