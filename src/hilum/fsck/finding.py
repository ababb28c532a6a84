"""What an inspection finds: one difference between ledger and files, with what it means and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong."""

    # A row says that something is there, and it is not, or is something else.
    ROOT_EMPTY = "root empty"
    SPOOL_FOLDER_MISSING = "spool folder missing"
    SPOOL_FOLDER_GONE = "spool folder gone"
    SPOOL_FOLDER_MISPLACED = "spool folder misplaced"
    INSTANCE_MISSING = "instance missing"
    INSTANCE_CHANGED = "instance changed"
    JOB_FOLDER_MISSING = "job folder missing"
    JOB_FILE_MISSING = "job file missing"
    INPUT_MISSING = "input missing"
    INPUT_CHANGED = "input changed"
    RESULT_MISSING = "result missing"
    RESULT_CHANGED = "result changed"
    # Something is there, and no row says so.
    SPOOL_FOLDER_UNKNOWN = "spool folder unknown"
    SPOOL_FOLDER_FORGOTTEN = "spool folder forgotten"
    SPOOL_FILE_UNKNOWN = "spool file unknown"
    JOB_FOLDER_UNKNOWN = "job folder unknown"
    JOB_FOLDER_UNFINISHED = "job folder unfinished"
    PART_LEFT = "part file left"
    # The ledger contradicts itself.
    LEDGER_DAMAGED = "ledger damaged"
    REFERENCE_BROKEN = "reference broken"
    COUNT_WRONG = "count wrong"
    SUM_WRONG = "sum wrong"
    GROUP_WITHOUT_JOBS = "group without jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """Record whether an association's folder is there; the sweep does the rest."""

    association: str
    there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Record where below ``storage.temporary`` an association's folder is."""

    association: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Let retention record that the folder of a job that is over is gone."""

    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAside:
    """Move a file or folder that nobody knows into quarantine.

    Attributes:
        path: Where it is.
        quarantine: The folder it goes to, on the same file system.
        name: What it is called there, unless that name is taken.
    """

    path: str
    quarantine: str
    name: str


#: What mends a finding without removing anything.
Repair = Spooled | Place | Expire | PutAside


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference.

    Attributes:
        machine: What history calls such a thing: association, job, folder, ...
        subject: Which one: an id, or a path.
        means: What follows from it.
        remedy: What was done, what a repair would do, or what only the operator can do.
        repair: What would mend it; ``None`` if nothing that is safe does.
        repaired: Whether that was done.
    """

    kind: Kind
    machine: str
    subject: str
    found: str
    expected: str
    means: str
    remedy: str
    repair: Repair | None = None
    repaired: bool = False
