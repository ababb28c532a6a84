"""A processor as somebody outside of Hilum would write one."""

from __future__ import annotations

from collections.abc import Sequence

from hilum.job.policy import Group, JobPlan, Workflow


class SecondReading:
    """Wants a job of another workflow for every group that has one."""

    def plan(self, group: Group, workflows: Sequence[Workflow]) -> Sequence[JobPlan]:
        return [
            JobPlan(
                label=f"{one.name} again",
                workflow_name=f"{one.name} again",
                workflow="second-reading",
                engine=one.engine,
                destinations=one.destinations,
            )
            for one in workflows
            if one.clara_ae_title == group.ae
        ]
