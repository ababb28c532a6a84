from __future__ import annotations

from pathlib import Path

from spec.sentences import SECTIONS, SENTENCES
from spec.trace import checks_by_sentence, marked_tests, trace

PAGE = Path(__file__).parents[2] / "docs" / "spec-trace.md"


def test_the_page_says_what_the_tests_check() -> None:
    """Write it anew with: scripts/generate-docs."""
    assert PAGE.read_text(encoding="utf-8") == trace()


def test_every_sentence_has_a_test_or_a_reason_why_not() -> None:
    for id_, tests in checks_by_sentence().items():
        assert bool(tests) != bool(SENTENCES[id_].untestable), id_


def test_no_two_sentences_have_one_id() -> None:
    assert sum(map(len, SECTIONS.values())) == len(SENTENCES)


def test_every_test_says_which_sentence_it_checks() -> None:
    assert [name for name, sentences in marked_tests().items() if not sentences] == []
