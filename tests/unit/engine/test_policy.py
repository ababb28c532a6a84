from __future__ import annotations

import pytest

from hilum.engine.policy import Fail, Finish, Retry, Wait, after_run
from hilum.engine.port import Phase, Status


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_an_attempt_that_has_not_ended_is_waited_for(phase: Phase) -> None:
    assert after_run(Status(phase=phase), attempt=2, attempts=1) == Wait()


def test_success_finishes_the_job_at_any_attempt() -> None:
    assert after_run(Status(phase=Phase.SUCCEEDED), attempt=3, attempts=1) == Finish()


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.LOST])
def test_an_attempt_that_came_to_nothing_is_followed_by_the_next(phase: Phase) -> None:
    assert after_run(Status(phase=phase, reason="no luck"), attempt=1, attempts=2) == Retry(why="no luck")


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.LOST])
@pytest.mark.parametrize("attempt", [2, 3])
def test_the_last_attempt_fails_the_job(phase: Phase, attempt: int) -> None:
    assert after_run(Status(phase=phase, reason="no luck"), attempt=attempt, attempts=2) == Fail(why="no luck")


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.LOST])
def test_an_operator_always_gets_a_reason(phase: Phase) -> None:
    outcome = after_run(Status(phase=phase), attempt=1, attempts=1)
    assert isinstance(outcome, Fail)
    assert len(outcome.why) > 20
