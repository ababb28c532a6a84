"""The command line as users run it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import structlog

from hilum.__main__ import main
from stage.cli.running import Hilum, Ran, Receiving

_SECONDS = 60


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without what the machine or the developer has set for Hilum.

    Compiled modules are kept in any case: otherwise each command compiles a thousand files anew.
    """
    dropped = {"COLUMNS", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HILUM") and name not in dropped}
    return kept | {"NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("pycache"))}


@pytest.fixture(autouse=True)
def log_aside() -> Iterator[Callable[[], None]]:
    """Lets a gateway in the process of the test log to where no command's output is looked for; again when called.

    A command silences the log of its process, which here is that of the gateway too.
    """
    stderr = sys.stderr

    def configure() -> None:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(stderr))

    configure()
    yield configure
    structlog.reset_defaults()


@pytest.fixture
def hilum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_aside: Callable[[], None]) -> Hilum:
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
        log_aside()
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
