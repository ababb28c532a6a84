"""Which engines are left alone for a while."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class _Rest:
    until: datetime
    trying: bool = False


class Rests:
    """An engine that cannot take jobs is left alone for a while, and then tried with one: jobs of others go on.

    Otherwise every thread that hands over jobs would sooner or later wait for an engine that does not answer. For any
    number of threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwell: dict[str, _Rest] = {}

    def allows(self, name: str, now: datetime, wanted: int) -> int:
        """How many jobs it may be given now, at most as many as wanted."""
        with self._lock:
            rest = self._unwell.get(name)
            if rest is None:
                return wanted
            return 0 if rest.trying or now < rest.until else min(1, wanted)

    def given(self, name: str) -> None:
        """It is being given a job; if it was unwell, that is the trial."""
        with self._lock:
            if name in self._unwell:
                self._unwell[name].trying = True

    def unwell(self, name: str, until: datetime) -> None:
        """It could not take a job; not to be tried before then."""
        with self._lock:
            self._unwell[name] = _Rest(until)

    def well(self, name: str) -> None:
        """It has taken a job, or refused one for a reason of that job."""
        with self._lock:
            self._unwell.pop(name, None)
