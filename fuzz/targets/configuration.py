"""app.yaml and the variables that override it: ``config.load``."""

from __future__ import annotations

import atexit
import os
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from hilum.config import load
from hilum.errors import ConfigError

_PREFIX = b"HILUM__"


def configuration(data: bytes) -> None:
    """Only ``ConfigError`` is raised, and each of its problems is one line that says where and what.

    Lines that begin with ``HILUM__`` are variables of the environment, all others the file.
    """
    lines = data.split(b"\n")
    variables = [line.partition(b"=") for line in lines if line.startswith(_PREFIX) and b"\0" not in line]
    environ = {os.fsdecode(name): os.fsdecode(value) for name, _, value in variables}
    file = _file(os.getpid())
    file.write_bytes(b"\n".join(line for line in lines if not line.startswith(_PREFIX)))
    try:
        settings = load(file, environ)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.where
            assert problem.message
            line = str(problem)
            assert len(line.splitlines()) == 1, f"more than one line: {line!r}"
            line.encode()  # or nobody could print it
        return
    assert settings.storage.payloads.is_absolute()
    assert settings.dicom.scp.port is not None


@cache
def _file(process: int) -> Path:
    """A file of this process only, in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108
    folder = Path(mkdtemp(prefix=f"fuzz-{process}-", dir=memory if memory.is_dir() else None))
    file = folder / "app.yaml"

    @atexit.register
    def _remove() -> None:
        if os.getpid() == process:
            file.unlink(missing_ok=True)
            folder.rmdir()

    return file
