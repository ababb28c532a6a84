"""The command of a workflow: what is put in place of its placeholders, and what it finds in its environment.

The same for every engine that runs commands, on this machine or another one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilum.engine.port import Run

_PLACEHOLDER = re.compile(r"\{(input|output|job|workflow)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a command is to work on.

    Attributes:
        source: The folder of its input, where the command sees it.
        target: The folder for its results, likewise.
        job: The job's id.
        workflow: The workflow's id.
    """

    source: Path
    target: Path
    job: str
    workflow: str

    @classmethod
    def of(cls, run: Run) -> Task:
        """That of an attempt that sees the job's folder where this machine does."""
        return cls(source=run.folder / "input", target=run.folder / "output", job=run.job_id, workflow=run.workflow)


def fill_in(command: Sequence[str], task: Task) -> tuple[str, ...]:
    """The command for one run: placeholders replaced, in one pass, other braces left as they are."""
    values = {
        "input": os.fspath(task.source),
        "output": os.fspath(task.target),
        "job": task.job,
        "workflow": task.workflow,
    }
    return tuple(_PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in command)


def told(task: Task) -> dict[str, str]:
    """The environment variables by which a command is told what it is to work on, also under names of others."""
    source, target = os.fspath(task.source), os.fspath(task.target)
    return {
        "HILUM_INPUT": source,
        "HILUM_OUTPUT": target,
        "HILUM_JOB_ID": task.job,
        "HILUM_WORKFLOW": task.workflow,
        "MONAI_INPUTPATH": source,
        "MONAI_OUTPUTPATH": target,
        "HOLOSCAN_INPUT_PATH": source,
        "HOLOSCAN_OUTPUT_PATH": target,
        "MERCURE_IN_DIR": source,
        "MERCURE_OUT_DIR": target,
    }


def environment_for(task: Task, *, inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """What a command finds in its environment on this machine.

    Args:
        task: Names the folders and the job.
        inherited: The gateway's environment; its ``HILUM__*`` settings, which may hold passwords, are left out.
        added: Wins over everything.
    """
    environment = {name: value for name, value in inherited.items() if not name.startswith("HILUM__")}
    # Otherwise the log of a Python program lacks what it wrote before it was killed.
    environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment | told(task) | dict(added)
