from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilum.engine.folder import FolderEngine
from hilum.engine.port import Phase, Run, Status
from hilum.engine.questions import Questions
from hilum.errors import TemporaryError
from hilum.model import JobId

RUN = Run(job_id=JobId("a1" * 16), job_name="job", folder=Path("/x"), workflow="w", workflow_name="ct", attempt=2)
RUNNING = Status(phase=Phase.RUNNING)


@dataclass
class Asked(FolderEngine):
    """Answers as it is told."""

    answer: Callable[[], Mapping[JobId, Status]]

    def status(self, _runs: Sequence[Run]) -> Mapping[JobId, Status]:
        return self.answer()


def test_an_answer_is_of_one_attempt_and_is_taken_once() -> None:
    questions = Questions()
    questions.ask("a", Asked(lambda: {RUN.job_id: RUNNING, JobId("other"): RUNNING}), [RUN])
    assert questions.answers(frozenset({"a"}), 60) == {"a": {(RUN.job_id, 2): RUNNING}}
    assert questions.answers(frozenset({"a"}), 60) == {}
    assert not questions.is_open("a")


def test_what_was_raised_is_an_answer() -> None:
    def unwell() -> Mapping[JobId, Status]:
        raise TemporaryError("not now")

    questions = Questions()
    questions.ask("a", Asked(unwell), [RUN])
    answer = questions.answers(frozenset({"a"}), 60)["a"]
    assert isinstance(answer, TemporaryError)


def test_one_that_hangs_is_not_waited_for_and_answers_later() -> None:
    go = threading.Event()

    def late() -> Mapping[JobId, Status]:
        go.wait()
        return {RUN.job_id: RUNNING}

    questions = Questions()
    questions.ask("slow", Asked(late), [RUN])
    questions.ask("quick", Asked(dict), [RUN])
    assert questions.answers(frozenset({"quick"}), 60) == {"quick": {}}
    assert questions.answers(frozenset({"slow"}), 0.01) == {}
    assert questions.is_open("slow")
    go.set()
    assert questions.answers(frozenset({"slow"}), 60) == {"slow": {(RUN.job_id, 2): RUNNING}}
    assert not questions.is_open("slow")
