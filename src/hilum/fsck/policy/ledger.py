"""The ledger with itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilum.fsck.facts import Count
from hilum.fsck.finding import Finding, Kind
from hilum.fsck.policy.wording import AGAIN


def counts(found: Sequence[Count]) -> Iterator[Finding]:
    """Numbers that the ledger keeps beside what they count."""
    for one in found:
        if one.kept != one.counted:
            yield Finding(
                kind=Kind.COUNT_WRONG,
                machine=one.machine,
                subject=one.subject,
                found=f"{one.counted} rows of instances",
                expected=f"{one.kept}, as its own row says",
                means="rows are missing, or were changed by hand",
                remedy="keep a copy of the ledger; compare with `hilum history --all` and with what the sender says",
            )


def groups_without_jobs(groups: Sequence[int]) -> Iterator[Finding]:
    """Groups that are said to have their jobs, and have none."""
    for group in groups:
        yield Finding(
            kind=Kind.GROUP_WITHOUT_JOBS,
            machine="group",
            subject=str(group),
            found="no job",
            expected="at least one job: the group is planned",
            means="its instances are in no job, and nothing waits for them any more",
            remedy=f"{AGAIN}; keep a copy of the ledger",
        )


def complaints(kind: Kind, lines: Sequence[str]) -> Iterator[Finding]:
    """What the database says of itself, line by line."""
    for line in lines:
        yield Finding(
            kind=kind,
            machine="gateway",
            subject="ledger",
            found=line,
            expected="a sound database",
            means="what the ledger says cannot be relied on",
            remedy="stop the gateway, keep the file, restore a backup, and look again",
        )


def wrong_sum(received: int, accounted: int) -> Finding:
    """What was received is not the sum of where it is."""
    return Finding(
        kind=Kind.SUM_WRONG,
        machine="gateway",
        subject="ledger",
        found=f"{accounted} instances in all places together",
        expected=f"{received}, as many as associations say they received",
        means="rows are missing, or were changed by hand",
        remedy="keep a copy of the ledger; `hilum ledger export` lists every instance with its place",
    )
