"""One decoding process, as the gateway sees it: it may die, hang and lie."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from hilum.pictures import channel

#: How soon it is noticed that nobody wants the answer any more.
_LOOK_SECONDS: Final = 0.1
#: Within which a process that has let go of its socket has to end.
_END_SECONDS: Final = 1.0
#: What its environment keeps; numeric libraries would start a thread per core.
_KEPT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
_SET: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one answer may cost.

    Attributes:
        seconds: By the clock, and of processor time.
        start_seconds: Until a new process is ready.
        memory: Address space of the process, bytes; 150 MB of it are taken by the libraries.
        pixels: Rows times columns of a frame, times the samples of a pixel.
    """

    seconds: float = 10.0
    start_seconds: float = 30.0
    memory: int = 1024 * 1024 * 1024
    pixels: int = 100_000_000


class GoneError(Exception):
    """The process gave no answer and is no more; the message says why."""


class UnwantedError(Exception):
    """Nobody waits for the answer any more; the process is no more."""


class DecodingProcess:
    """Started at once; used by one thread at a time; ``close`` ends it at any moment.

    Args:
        program: Arguments of Python.

    Raises:
        GoneError: It did not start.
    """

    def __init__(self, limits: Limits, program: Sequence[str] = ("-m", "hilum.pictures.decoder")) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        self._sock = ours
        ours.settimeout(_LOOK_SECONDS)
        with theirs, ExitStack() as if_it_does_not_start:
            if_it_does_not_start.callback(ours.close)
            self._process = subprocess.Popen(
                [sys.executable, "-P", *program, *_arguments(theirs.fileno(), limits)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Ctrl-C is for the gateway.
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT if name in os.environ} | _SET,
            )
            if_it_does_not_start.pop_all()
        ready = self._answer(limits.start_seconds, lambda: True)
        if ready.head.get("ready") is not True:
            self.close()
            raise GoneError(f"the decoder cannot start: {str(ready.head.get('why'))[:300]}")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(
        self, head: Mapping[str, Any], files: Sequence[int], *, wanted: Callable[[], bool] = lambda: True
    ) -> channel.Message:
        """Its answer.

        Args:
            files: Open for reading; they stay open.
            wanted: Looked at now and then; once it is false the process is ended.

        Raises:
            GoneError: It died, hung or said what makes no sense.
            UnwantedError: See there.
        """
        try:
            channel.send(self._sock, dict(head), files=files)
        except (channel.BrokenError, TimeoutError):
            raise GoneError(self._epitaph()) from None
        return self._answer(self._limits.seconds, wanted)

    def _answer(self, seconds: float, wanted: Callable[[], bool]) -> channel.Message:
        end = time.monotonic() + seconds

        def wait() -> None:
            if not wanted():
                self.close()
                raise UnwantedError
            if time.monotonic() > end:
                self.close()
                raise GoneError(f"decoding took longer than {seconds:g} s and was ended")

        try:
            answer = channel.receive(self._sock, wait)
        except channel.BrokenError:
            raise GoneError(self._epitaph()) from None
        for descriptor in answer.files:  # it has none to give
            os.close(descriptor)
        return answer

    def _epitaph(self) -> str:
        """How it ended, once it has."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            return "the decoder gave an answer without meaning and was ended"
        self.close()
        if -status in {signal.SIGPROF, signal.SIGXCPU}:
            return f"decoding took more than {self._limits.seconds:g} s of processor time and was ended"
        if status == -signal.SIGKILL:
            return "the decoder was killed, perhaps by the system for want of memory"
        if status < 0:
            return f"the decoder crashed on it ({signal.Signals(-status).name})"
        return f"the decoder ended with status {status}"

    def close(self) -> None:
        """End it; returns when it is gone. Idempotent."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._sock.close()


def _arguments(descriptor: int, limits: Limits) -> list[str]:
    return [str(descriptor), str(limits.memory), f"{limits.seconds:g}", str(limits.pixels)]
