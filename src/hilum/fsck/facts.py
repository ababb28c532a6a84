"""What the rules judge: what rows say and what disks show, read and not yet compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hilum import states


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """The row of an association.

    Attributes:
        folder: Below ``storage.temporary``.
        spooled: Its folder is said to be there.
        needed: Some of its files are in no job yet, and must reach one or wait for an operator.
        letting_go: It was held long enough: its folder may go, or be gone, any moment.
    """

    id: str
    state: states.Association
    folder: str
    spooled: bool
    instances: int
    needed: bool
    letting_go: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFolder:
    """A folder that has the name of an association.

    Attributes:
        place: Below ``storage.temporary``.
        told: Its ``association.json`` says whose it is.
        complete: How many instances in it are whole.
        gateway: To which it came, if that is told.
    """

    id: str
    place: str
    told: bool
    complete: int
    gateway: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it should be, or as it is.

    Attributes:
        size: In bytes; -1: it is not a regular file.
        digest: Empty: unknown, or not looked at.
    """

    size: int
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The row of a job whose folder should be there.

    Attributes:
        root: The folder that its folder is in.
        own: Hilum made the folder; otherwise it was taken on, and has no input.
        expiring: Its time is over: its folder may go, or be gone, any moment.
    """

    id: str
    name: str
    state: states.Job
    root: str
    own: bool
    instances: int
    expiring: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One folder of job folders.

    Attributes:
        folders: Names of the folders in it; ``None``: it cannot be read or is not there.
        described: Those of them that have a ``job.json``, as far as that was looked at.
        planning: A group waits for its jobs, whose folders may be there before their rows.
    """

    path: str
    folders: frozenset[str] | None
    described: frozenset[str]
    planning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """What is in a job's folder.

    Attributes:
        names: Of the entries at its top.
        inputs: What ``input/`` should hold, by file name; empty for one that was taken on.
        found: What it holds.
        parts: Paths, below the folder, of files whose writing was cut off.
    """

    names: frozenset[str]
    inputs: Mapping[str, File]
    found: Mapping[str, File]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The row of a result, and its file.

    Attributes:
        path: Below ``output/``.
        due: A delivery of it is still to be made.
        found: ``None``: it is not there.
        aside: A damaged file of that name was put aside in the job's own quarantine.
    """

    path: str
    expected: File
    due: bool
    found: File | None
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number that the ledger keeps, and what counting gives."""

    machine: str
    subject: str
    kept: int
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is going on while it is looked.

    Attributes:
        now: Aware UTC.
        started: A gateway has started: what its start takes up by itself is taken up. Otherwise that is still to come.
        standing: The gateways that run: what came to them and is in no row yet is on its way.
    """

    now: datetime
    started: bool
    standing: frozenset[str] = frozenset()
