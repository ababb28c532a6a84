"""Processors for tests."""

from __future__ import annotations

from collections.abc import Sequence

from hilum.job.policy import Group, JobPlan, Workflow


class Refusing:
    """One that cannot cope."""

    def plan(self, group: Group, workflows: Sequence[Workflow]) -> Sequence[JobPlan]:
        raise ValueError(f"I do not like it: {len(group.members)} instances, {len(workflows)} workflows")
