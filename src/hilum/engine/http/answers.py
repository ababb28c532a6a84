"""What a platform's answers mean. Values only.

Source: docs/platform-api.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from hilum.engine import port
from hilum.exchange import printable

#: The longest path of a file within ``input/`` or ``output/``, in bytes of UTF-8.
_LONGEST_PATH: Final = 1000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_FORGOTTEN: Final = (
    "the platform does not know the job any more: it was started anew without its jobs, or has removed it too early"
)


class Stage(StrEnum):
    """How far a job of the platform is."""

    CREATED = "created"  # it will not run before it is started
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # whatever it wrote can be taken
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # there is no such job


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the platform sees it.

    Attributes:
        reason: The platform's words.
        missing: Paths of the inputs that it has not got, if they go by HTTP; ``None``: it does not say.
    """

    stage: Stage
    reason: str = ""
    exit_code: int | None = None
    missing: frozenset[str] | None = None

    @property
    def status(self) -> port.Status:
        """In the words of engines."""
        match self.stage:
            case Stage.CREATED:
                phase = port.Phase.PENDING
            case Stage.QUEUED | Stage.RUNNING:
                phase = port.Phase.RUNNING
            case Stage.SUCCEEDED:
                phase = port.Phase.SUCCEEDED
            case Stage.FAILED:
                phase = port.Phase.FAILED
            case Stage.CANCELLED:
                return port.Status(phase=port.Phase.FAILED, reason=self.reason or "cancelled")
            case Stage.UNKNOWN:
                return port.Status(phase=port.Phase.LOST, reason=_FORGOTTEN)
        return port.Status(phase=phase, reason=self.reason, exit_code=self.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file.

    Attributes:
        path: Below ``input/`` or ``output/``, with slashes; safe to join to a folder.
        sha256: 64 hexadecimal digits, lower case.
    """

    path: str
    size: int
    sha256: str


def job_of(document: Any) -> Job:  # noqa: ANN401 - whatever JSON says
    """A job from the answer about it.

    Raises:
        ValueError: It is none; the message says what is wrong with it.
    """
    fields = _object(document, "a job")
    stage, reason, code = fields.get("stage"), fields.get("reason", ""), fields.get("exit-code")
    if stage not in tuple(Stage):
        raise ValueError(f"'stage' is {_shown(stage)}, expected one of {', '.join(Stage)}")
    if not isinstance(reason, str | None) or not _is_number(code, optional=True):
        raise ValueError("'reason' is not a text or 'exit-code' is not a whole number")
    missing = fields.get("missing")
    if missing is not None and not (isinstance(missing, list) and all(isinstance(one, str) for one in missing)):
        raise ValueError("'missing' is not a list of paths")
    return Job(
        stage=Stage(stage),
        reason=printable(reason or ""),
        exit_code=code,
        missing=None if missing is None else frozenset(missing),
    )


def jobs_of(document: Any, keys: frozenset[str]) -> Mapping[str, Job]:  # noqa: ANN401 - whatever JSON says
    """An answer for each of the keys, and nothing else.

    Raises:
        ValueError: There is not; the message says what is wrong.
    """
    listed = _list(document, "jobs")
    found = {str(fields.get("key")): job_of(fields) for fields in (_object(one, "a job") for one in listed)}
    if lacking := keys - found.keys():
        raise ValueError(
            f"it says nothing of {min(lacking)}, which it was asked about; one unknown has the stage unknown"
        )
    return {key: found[key] for key in keys}


def contents_of(document: Any, *, largest: int) -> tuple[Content, ...]:  # noqa: ANN401 - whatever JSON says
    """The files that a job wrote; ``job.done`` is not one of them.

    Args:
        largest: Bytes that a file may have.

    Raises:
        ValueError: The list is not one, or has a file that must not be written; the message says why.
    """
    found: dict[str, Content] = {}
    for one in _list(document, "files"):
        content = _content(_object(one, "a file"), largest)
        if content.path in found:
            raise ValueError(f"{_shown(content.path)} is listed twice")
        if any(str(parent) in found for parent in PurePosixPath(content.path).parents):
            raise ValueError(f"{_shown(content.path)} lies below a file")
        found[content.path] = content
    return tuple(one for path, one in sorted(found.items()) if path != "job.done")


def _content(fields: Mapping[str, Any], largest: int) -> Content:
    path, size, digest = fields.get("path"), fields.get("size"), fields.get("sha256")
    if not isinstance(path, str) or not _is_safe(path):
        raise ValueError(f"{_shown(path)} cannot be the path of a result: expected one below output/, without '..'")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= largest:
        raise ValueError(f"the size of {_shown(path)} is {_shown(size)}, expected 0 to {largest} bytes")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError(f"the sha256 of {_shown(path)} is {_shown(digest)}, expected 64 hexadecimal digits")
    return Content(path=path, size=size, sha256=digest)


def _is_safe(path: str) -> bool:
    parts = path.split("/")
    return (
        path.isprintable()
        and len(path.encode(errors="replace")) <= _LONGEST_PATH
        and all(part not in {"", ".", ".."} and len(part.encode(errors="replace")) <= 255 for part in parts)
    )


def _object(document: object, what: str) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"{_shown(document)} is not {what}")  # noqa: TRY004 - it is the value of a peer
    return document


def _list(document: object, name: str) -> list[Any]:
    listed = _object(document, f"an object with '{name}'").get(name)
    if not isinstance(listed, list):
        raise ValueError(f"{name!r} is not a list")  # noqa: TRY004 - likewise
    return listed


def _is_number(value: object, *, optional: bool) -> bool:
    return (optional and value is None) or (isinstance(value, int) and not isinstance(value, bool))


def _shown(value: object) -> str:
    return printable(repr(value))[:80]
