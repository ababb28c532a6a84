"""The command line as users run it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from harness.waiting import eventually
from hilum.__main__ import main

_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Hilum = Callable[..., Ran]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without what the machine or the developer has set for Hilum.

    Compiled modules are kept in any case: otherwise each command compiles a thousand files anew.
    """
    dropped = {"COLUMNS", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HILUM") and name not in dropped}
    return kept | {"NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("pycache"))}


@pytest.fixture
def hilum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hilum:
    """Runs a command in the process of the test, where it need not be imported anew, in a folder of the test's own.

    Keyword arguments are environment variables.
    """

    def run(*arguments: object, **variables: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name.startswith("HILUM") or name == "COLUMNS"]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["hilum", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        structlog.reset_defaults()  # a command silences the log of its process, which here is that of the tests
        return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def hilum_process(tmp_path: Path, environment: dict[str, str]) -> Hilum:
    """The same in a process of its own, as users do it; slower."""

    def run(*arguments: object, **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "hilum", *map(str, arguments)],
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


class Receiving:
    """A running ``hilum receive``."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.folder = folder / "received"
        self._log = folder / "receive.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hilum", "receive", "0", "--host", "127.0.0.1", "-od", self.folder, *arguments],
                stdout=log,
                env=environment,
            )
        self.port = int(eventually(lambda: self.events("listening"), what="hilum receive to listen")[0]["port"])

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has said so far, with ``--json``."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == name]

    def stop(self) -> int:
        """As Ctrl-C would; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=30)


@pytest.fixture
def receive(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Receiving]]:
    """Starts ``hilum receive --json``, with further arguments, on any free port."""
    started: list[Receiving] = []

    def start(*arguments: str) -> Receiving:
        started.append(Receiving(tmp_path, ("--json", *arguments), environment))
        return started[-1]

    yield start
    for one in started:
        one.stop()
