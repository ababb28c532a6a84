from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.waiting import eventually
from hilum.engine.ends import Ends


@contextmanager
def running() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def two_watched() -> Iterator[tuple[Ends, threading.Semaphore, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Who watches, what is released at each end, and both processes."""
    ends, told = Ends(), threading.Semaphore(0)
    ends.listen(told.release)
    with running() as one, running() as other:
        ends.watch(one.pid)
        ends.watch(other.pid)
        yield ends, told, one, other


def test_an_end_is_told_whether_it_is_waited_for_or_not() -> None:
    with two_watched() as (_, told, one, other):
        assert not told.acquire(blocking=False)
        one.kill()
        assert told.acquire(timeout=10)
        other.kill()
        assert told.acquire(timeout=10)


def test_one_that_has_ended_already_is_told_of_and_one_that_is_gone_is_not() -> None:
    ends, told = Ends(), threading.Semaphore(0)
    ends.listen(told.release)
    with running() as process:
        process.kill()
        ends.watch(process.pid)
        assert told.acquire(timeout=10)
    ends.watch(process.pid)
    assert ends._watched == {}


def test_who_does_not_listen_any_more_is_not_told_and_no_descriptor_stays() -> None:
    ends, told, heard = Ends(), threading.Semaphore(0), threading.Semaphore(0)
    stop = ends.listen(told.release)
    ends.listen(heard.release)
    stop()
    with running() as process:
        ends.watch(process.pid)
        ends.watch(process.pid)
        pidfd = os.readlink(f"/proc/self/fd/{ends._watched[process.pid]}")
        process.kill()
        assert heard.acquire(timeout=10)
    assert "pidfd" in pidfd
    eventually(lambda: ends._watched == {}, what="that it is forgotten")
    assert not told.acquire(blocking=False)


def test_a_descriptor_that_another_process_holds_too_is_told_and_closed_once() -> None:
    with two_watched() as (ends, told, one, other):
        # As a process has it that is being forked, until it runs a program of its own.
        held = os.dup(ends._watched[one.pid])
        try:
            one.kill()
            assert told.acquire(timeout=10)
            other.kill()
            assert told.acquire(timeout=10)
            assert not told.acquire(timeout=0.2), "an end was told again"
        finally:
            os.close(held)
