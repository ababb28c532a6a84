"""Which jobs a group becomes, and what they are called; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from hilum.model import AETitle, GroupId, GroupKind, Header, InstanceId, JobId

#: A Kubernetes name: RFC 1123 label.
MAX_NAME: Final = 63
#: How often making the jobs of a group is tried before an operator is asked.
MAX_ATTEMPTS: Final = 3


class Workflow(Protocol):
    """An entry of ``workflows`` in app.yaml."""

    @property
    def name(self) -> str:
        """The entry's name."""

    @property
    def clara_ae_title(self) -> str:
        """The called AE title that triggers it."""

    @property
    def destinations(self) -> tuple[str, ...]:
        """Names of destinations for its results; may be empty."""

    @property
    def workflow(self) -> str:
        """What the platform calls it; the content of job.meta."""

    @property
    def engine(self) -> str:
        """Name of an entry of ``engines``."""


class Member(Protocol):
    """One instance of a group, as a processor sees it."""

    @property
    def id(self) -> InstanceId:
        """Its number in the ledger."""

    @property
    def header(self) -> Header:
        """The attributes that were read as it passed by."""


class Group(Protocol):
    """A closed group, as a processor sees it."""

    @property
    def id(self) -> GroupId:
        """Its number in the ledger."""

    @property
    def ae(self) -> AETitle:
        """The called AE title."""

    @property
    def kind(self) -> GroupKind:
        """What its instances have in common."""

    @property
    def key(self) -> str:
        """The value they have in common; may be personal data."""

    @property
    def closed_at(self) -> datetime:
        """When the last instance could join."""

    @property
    def members(self) -> Sequence[Member]:
        """In the order of arrival; never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """One job to make.

    Attributes:
        label: Tells the jobs of one group apart; part of the job's identity, so it must be the same at every call.
        instances: Which of the group's instances it gets; ``None`` = all.
    """

    label: str
    workflow_name: str
    workflow: str
    engine: str
    destinations: tuple[str, ...]
    instances: frozenset[InstanceId] | None = None


def plan(group: Group, workflows: Sequence[Workflow]) -> tuple[JobPlan, ...]:
    """One job for each workflow of the group's AE, in the order of the configuration.

    Source: specification, ``Nvidia.Clara.Dicom.Processors.JobProcessor``.
    """
    return tuple(
        JobPlan(
            label=workflow.name,
            workflow_name=workflow.name,
            workflow=workflow.workflow,
            engine=workflow.engine,
            destinations=workflow.destinations,
        )
        for workflow in workflows
        if workflow.clara_ae_title == group.ae
    )


def job_id(group: GroupId, born_at: datetime, label: str) -> JobId:
    """The same for the same group and label, however often it is asked: a crash cannot make a second job."""
    seed = f"{group}\n{born_at.isoformat()}\n{label}"
    return JobId(hashlib.sha256(seed.encode()).hexdigest()[:32])


def job_name(ae: AETitle, workflow_name: str, closed_at: datetime, job: JobId) -> str:
    """``{called-ae}-{workflow}-{yyyyMMddHHmmss}-{8 hex}``: lower case letters, digits, hyphens, at most 63.

    The time and the hexadecimal digits are never cut; a long workflow name is.
    """
    tail = f"-{closed_at:%Y%m%d%H%M%S}-{job[:8]}"
    head = f"{_plain(ae) or 'ae'}-{_plain(workflow_name) or 'workflow'}"[: MAX_NAME - len(tail)]
    return head.strip("-") + tail


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def planning_retry(attempts: int) -> timedelta | None:
    """How long to wait before planning is tried again after so many attempts; ``None``: an operator must look."""
    return None if attempts >= MAX_ATTEMPTS else timedelta(seconds=5 * 6 ** (attempts - 1))
