"""Answers of ``/metrics`` are made at most once a second, whoever asks."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter

from hilum.web.metrics import Scrape


class Hand:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def counter() -> Counter:
    return Counter("studies", "Studies.", registry=CollectorRegistry())


@pytest.fixture
def scrape(counter: Counter, hand: Hand) -> Scrape:
    registry = CollectorRegistry()
    registry.register(counter)
    return Scrape([registry], clock=hand)


OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def test_an_answer_holds_for_a_second(scrape: Scrape, counter: Counter, hand: Hand) -> None:
    assert b"studies_total 0.0" in scrape.answer("")[0]
    counter.inc()
    hand.now += 0.9
    assert b"studies_total 0.0" in scrape.answer("")[0]
    hand.now += 0.2
    assert b"studies_total 1.0" in scrape.answer("")[0]


def test_each_form_is_made_by_itself(scrape: Scrape) -> None:
    text, openmetrics = scrape.answer(""), scrape.answer(OPENMETRICS)
    assert text[1].startswith("text/plain")
    assert openmetrics[1].startswith("application/openmetrics-text")
    assert openmetrics[0].endswith(b"# EOF\n")


def test_what_the_asker_writes_into_its_header_makes_no_third_form(scrape: Scrape) -> None:
    for version in ("0.0.1", "1.0.0", "9.9.9", "x", '"', "1.0.0; escaping=allow-utf-8"):
        scrape.answer(f"application/openmetrics-text; version={version}")
        scrape.answer(f"text/plain; version={version}")
    assert len(scrape._answers) == 2


def test_no_series_tells_when_it_was_made(scrape: Scrape) -> None:
    assert b"_created" not in scrape.answer("")[0] + scrape.answer(OPENMETRICS)[0]
