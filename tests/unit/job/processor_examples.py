"""What ``processors`` may name, good and bad."""

from __future__ import annotations

from collections.abc import Sequence

from hilum.job import policy


class Nothing:
    """Wants no job of any group."""

    def plan(self, group: policy.Group, workflows: Sequence[policy.Workflow]) -> Sequence[policy.JobPlan]:  # noqa: ARG002
        return []


class Outer:
    class Inner(Nothing):
        """Found through two names."""


ready_made = Nothing()


class WithoutPlan:
    """Is no processor."""


class PlansTooLittle:
    def plan(self, group: policy.Group) -> Sequence[policy.JobPlan]:  # noqa: ARG002
        return []


class PlanIsNoMethod:
    plan = "later"


class CannotBeMade:
    def __init__(self) -> None:
        raise RuntimeError("the model is not installed")


class WantsArguments(Nothing):
    def __init__(self, model: str) -> None:
        self.model = model
