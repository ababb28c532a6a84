"""Asks engines how their jobs are, so that one which does not answer keeps nobody waiting for the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from hilum.engine.port import Engine, Run, Status

#: What a question came to: the statuses, or what was raised.
Answer = Mapping[tuple[str, int], Status] | Exception


class Questions:
    """At most one open question per engine, each in a thread of its own. For one thread that asks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[str] = set()
        self._answers: dict[str, Answer] = {}

    def is_open(self, name: str) -> bool:
        """Whether that engine was asked and has not answered yet, or its answer has not been taken."""
        with self._changed:
            return name in self._open or name in self._answers

    def ask(self, name: str, engine: Engine, runs: Sequence[Run]) -> None:
        """Ask an engine that has no open question about its runs."""
        with self._changed:
            self._open.add(name)
        # Whoever stops the gateway does not wait for an engine that hangs: asking changes nothing.
        threading.Thread(
            target=self._ask, args=(name, engine, runs), name=f"engine-question-{name}", daemon=True
        ).start()

    def _ask(self, name: str, engine: Engine, runs: Sequence[Run]) -> None:
        answer: Answer
        try:
            found = engine.status(runs)
            answer = {(run.job_id, run.attempt): found[run.job_id] for run in runs if run.job_id in found}
        except Exception as error:  # noqa: BLE001  told to whoever takes the answers
            answer = error
        with self._changed:
            self._open.discard(name)
            self._answers[name] = answer
            self._changed.notify_all()

    def answers(self, awaited: frozenset[str], patience: float) -> Mapping[str, Answer]:
        """What has been answered since this was last asked for, by engine.

        Args:
            awaited: Come back once these have answered,
            patience: or after so many seconds.
        """
        until = time.monotonic() + patience
        with self._changed:
            while self._open & awaited and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            answers, self._answers = self._answers, {}
        return answers
