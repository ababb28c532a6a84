"""Processors as somebody outside would write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hilum.job.policy import Group, JobPlan, Workflow


class JobPerSeries:
    """One job for each series of more than one image, by the first workflow of the AE."""

    def plan(self, group: Group, workflows: Sequence[Workflow]) -> Sequence[JobPlan]:
        series = defaultdict(set)
        for member in group.members:
            series[member.header.series].add(member.id)
        workflow = next(one for one in workflows if one.clara_ae_title == group.ae)
        return [
            JobPlan(
                label=uid,
                workflow_name=workflow.name,
                workflow=workflow.workflow,
                engine=workflow.engine,
                destinations=workflow.destinations,
                instances=frozenset(members),
            )
            for uid, members in sorted(series.items())
            if len(members) > 1
        ]


class Broken(JobPerSeries):
    """Fails whatever it gets."""

    def plan(self, group: Group, workflows: Sequence[Workflow]) -> Sequence[JobPlan]:
        raise RuntimeError(f"there is no tea for {len(group.members)} members and {len(workflows)} workflows")
