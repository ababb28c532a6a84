"""Jobs, their folders and what is in these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hilum import states
from hilum.fsck.facts import Job, JobFiles, Result, Root
from hilum.fsck.finding import Expire, Finding, Kind, PutAside
from hilum.fsck.policy.wording import AGAIN, difference, put_aside, root_empty

#: Names of folders being built and being removed below ``storage.payloads``; see ``hilum.job.payload``.
BUILDING: Final = ".building-"
REMOVING: Final = ".removing-"
#: States of a job in which its folder is only kept, until its retention ends.
_OVER: Final = frozenset({states.Job.COMPLETE, states.Job.FAILED, states.Job.CANCELLED})
_WORKS: Final = frozenset({states.Job.QUEUED, states.Job.RUNNING, states.Job.CANCELLING})


def job_folders(jobs: Sequence[Job], root: Root, *, quarantine: str) -> Iterator[Finding]:
    """Compare jobs with the folders in one root; ``jobs`` are those of that root, and all whose folders it has."""
    awaited = [job for job in jobs if not job.expiring]
    if awaited and not (root.folders and any(not name.startswith(".") for name in root.folders)):
        yield root_empty(root.path, f"the folders of {len(awaited)} jobs", "storage.payloads")
        return
    there = root.folders or frozenset()
    for job in awaited:
        if job.name not in there:
            yield _job_folder_missing(job)
    names = {job.name for job in jobs}
    expiring = {job.name for job in jobs if job.expiring}
    for name in sorted(there):
        path = f"{root.path}/{name}"
        aside = PutAside(path=path, quarantine=quarantine, name=name.removeprefix("."))
        if name.startswith((BUILDING, REMOVING)):
            building = name.startswith(BUILDING)
            if root.planning if building else name.removeprefix(REMOVING) in expiring:
                continue  # whoever was cut off at it begins again with it
            yield Finding(
                kind=Kind.JOB_FOLDER_UNFINISHED,
                machine="folder",
                subject=path,
                found="a job folder whose making was cut off" if building else "a job folder whose removal was cut off",
                expected="no such folder: no group waits for its jobs" if building else "no such folder",
                means="it takes room, and nobody uses it",
                remedy=put_aside(quarantine),
                repair=aside,
            )
        elif name in root.described and name not in names and not root.planning:
            yield Finding(
                kind=Kind.JOB_FOLDER_UNKNOWN,
                machine="folder",
                subject=path,
                found="a job folder of Hilum's making (job.json)",
                expected="a job of that name in the ledger, not removed yet",
                means="nothing runs it or sends its results; should its output/job.done come, it is taken on",
                remedy=put_aside(quarantine),
                repair=aside,
            )


def _job_folder_missing(job: Job) -> Finding:
    over = job.state in _OVER
    return Finding(
        kind=Kind.JOB_FOLDER_MISSING,
        machine="job",
        subject=job.id,
        found="no such folder",
        expected=f"{root_path(job)}, with the job {job.state.value}",
        means="it has ended; it cannot be retried, and nothing of it can be sent again"
        if over
        else "it cannot go on: its input, or its results, are gone",
        remedy="retention records it as removed" if over else f"{AGAIN}; hilum cancel {job.id[:8]} ends this job",
        repair=Expire(job=job.id) if over else None,
    )


def root_path(job: Job) -> str:
    """Where the folder of a job is."""
    return f"{job.root}/{job.name}"


def job_files(job: Job, files: JobFiles, *, quarantine: str) -> Iterator[Finding]:
    """Compare a job with what is in its folder, results excepted."""
    folder = root_path(job)
    if "job.meta" not in files.names:
        means = "its workflow cannot be named to whoever runs it" if job.state in _WORKS else "nothing: it has run"
        differs = "no such file", "the workflow, on one line"
        remedy = f"write the workflow's id into it, as `hilum jobs show {job.id[:8]}` tells it"
        yield _job_file(Kind.JOB_FILE_MISSING, f"{folder}/job.meta", differs, means, remedy)
    if job.own:
        yield from _job_inputs(job, files)
    for part in files.parts:
        yield Finding(
            kind=Kind.PART_LEFT,
            machine="folder",
            subject=f"{folder}/{part}",
            found="a file whose writing was cut off",
            expected="no such file",
            means="nothing: it was written again under its own name, or will be",
            remedy=put_aside(quarantine),
            repair=PutAside(
                path=f"{folder}/{part}", quarantine=quarantine, name=f"{job.name}-{part.rpartition('/')[2].strip('.')}"
            ),
        )


def _job_inputs(job: Job, files: JobFiles) -> Iterator[Finding]:
    folder = f"{root_path(job)}/input"
    means = (
        "its workflow gets something else than was received"
        if job.state in _WORKS
        else "it cannot be retried with what was received"
    )
    chosen = len(files.inputs) != job.instances  # by a processor: then only their number is known
    for name, expected in files.inputs.items():
        there = files.found.get(name)
        differs = difference(expected, there)
        if differs is not None and not (there is None and chosen):
            kind = Kind.INPUT_MISSING if there is None else Kind.INPUT_CHANGED
            yield _job_file(kind, f"{folder}/{name}", differs, means)
    known = len(files.inputs.keys() & files.found.keys())
    if chosen and known < job.instances:
        differs = f"{known} instances", f"{job.instances} instances"
        yield _job_file(Kind.INPUT_MISSING, folder, differs, means)


def _job_file(kind: Kind, path: str, differs: tuple[str, str], means: str, remedy: str = AGAIN) -> Finding:
    found, expected = differs
    return Finding(
        kind=kind, machine="folder", subject=path, found=found, expected=expected, means=means, remedy=remedy
    )


def job_results(job: Job, results: Sequence[Result]) -> Iterator[Finding]:
    """Compare the results of a job with their files."""
    for result in results:
        differs = difference(result.expected, result.found)
        if differs is None or (result.found is None and result.aside and not result.due):
            continue  # sound; or found damaged before, put aside and told in the history
        yield Finding(
            kind=Kind.RESULT_MISSING if result.found is None else Kind.RESULT_CHANGED,
            machine="result",
            subject=f"{job.id}:{result.path}",
            found=differs[0],
            expected=f"{differs[1]} at {root_path(job)}/output/{result.path}",
            means="it is still to be sent, and what the workflow made is not there"
            if result.due
            else "it was sent, or given up; it cannot be sent again",
            remedy="restore it from a backup, or have the study sent again so that its workflow runs anew",
        )
