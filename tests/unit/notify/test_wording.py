from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hilum.model import Phase, Topic
from hilum.notify.wording import Facts, Site, message

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
SITE = Site(gateway="gw1", public_url="https://hilum.example.org")


def facts(topic: Topic = Topic.JOB_FAILED, **other: Any) -> Facts:
    plain = Facts(
        key="k",
        topic=topic,
        phase=Phase.HAPPENED,
        subject="lung",
        count=1,
        first_at=NOW,
        last_at=NOW,
        over_at=None,
        reason="",
        examples=("a1", "b2"),
    )
    return replace(plain, **other)


@pytest.mark.parametrize("topic", Topic)
@pytest.mark.parametrize("count", [1, 3])
def test_every_topic_has_words_without_gaps(topic: Topic, count: int) -> None:
    found = message(facts(topic, count=count), SITE)
    assert found.gist
    assert found.remedy
    assert not {"{", "}"} & set(found.gist + found.remedy)
    assert not found.gist.endswith(".")
    assert found.link.startswith("https://hilum.example.org/")


def test_how_often_is_in_the_gist() -> None:
    assert message(facts(), SITE).gist == "a job of workflow lung failed"
    assert message(facts(count=12), SITE).gist == "12 jobs of workflow lung failed"


def test_a_single_job_is_linked_to() -> None:
    assert message(facts(examples=("a1",)), SITE).link == "https://hilum.example.org/jobs/a1"
    assert message(facts(count=2), SITE).link == "https://hilum.example.org/jobs"
    assert message(facts(), Site(gateway="gw1")).link == ""


@pytest.mark.parametrize(
    ("lasted", "words"),
    [
        (timedelta(seconds=20), "less than a minute"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=26, minutes=10), "26 h 10 min"),
    ],
)
def test_the_end_says_how_long_it_was(lasted: timedelta, words: str) -> None:
    over = facts(Topic.DESTINATION_DOWN, phase=Phase.OVER, subject="PACS", last_at=NOW + lasted, examples=())
    found = message(over, SITE)
    assert found.gist == f"destination PACS is up again, after {words}"
    assert found.remedy == ""


def test_what_was_over_before_it_could_be_told_says_so() -> None:
    late = facts(
        Topic.DESTINATION_DOWN, phase=Phase.BEGAN, subject="PACS", count=4, over_at=NOW + timedelta(minutes=30)
    )
    assert message(late, SITE).gist == "destination PACS went down 4 times; destination PACS is up again, after 30 min"
