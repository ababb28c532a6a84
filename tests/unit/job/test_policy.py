from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.job import policy
from hilum.model import AETitle, GroupId, GroupKind, JobId

CLOSED_AT = datetime(2026, 11, 22, 8, 15, 0, tzinfo=UTC)
ONE = GroupId(1)
ID = JobId("9f3c21ab" + "0" * 24)


@dataclass(frozen=True)
class Workflow:
    name: str
    clara_ae_title: str
    workflow: str = "0fcdcdea"
    engine: str = "folder"
    destinations: tuple[str, ...] = ("PACS",)


@dataclass(frozen=True)
class Group:
    ae: AETitle
    id: GroupId = ONE
    kind: GroupKind = GroupKind.ASSOCIATION
    key: str = ""
    closed_at: datetime = CLOSED_AT
    members: tuple[policy.Member, ...] = ()


def test_each_workflow_of_the_ae_gets_a_job_in_the_order_of_the_configuration() -> None:
    workflows = [
        Workflow("lung", "SCP", workflow="w1", engine="gpu", destinations=("PACS", "ARCHIVE")),
        Workflow("brain", "OTHER"),
        Workflow("bone", "SCP", workflow="w2", destinations=()),
    ]
    plans = policy.plan(Group(AETitle("SCP")), workflows)
    assert plans == (
        policy.JobPlan(
            label="lung", workflow_name="lung", workflow="w1", engine="gpu", destinations=("PACS", "ARCHIVE")
        ),
        policy.JobPlan(label="bone", workflow_name="bone", workflow="w2", engine="folder", destinations=()),
    )
    assert all(plan.instances is None for plan in plans)


def test_ae_titles_of_workflows_are_compared_with_their_case() -> None:
    assert policy.plan(Group(AETitle("scp")), [Workflow("lung", "SCP")]) == ()


def test_an_ae_without_workflow_gets_no_job() -> None:
    assert policy.plan(Group(AETitle("SCP")), []) == ()


def test_the_name_of_a_job_says_ae_workflow_and_time() -> None:
    assert policy.job_name(AETitle("ClaraSCP"), "ct_ai_workflow", CLOSED_AT, ID) == (
        "clarascp-ct-ai-workflow-20261122081500-9f3c21ab"
    )


def test_a_long_workflow_name_is_cut_and_the_rest_is_not() -> None:
    name = policy.job_name(AETitle("ABCDEFGHIJKLMNOP"), "w" * 200, CLOSED_AT, ID)
    assert len(name) == 63
    assert name.startswith("abcdefghijklmnop-www")
    assert name.endswith("w-20261122081500-9f3c21ab")


def test_a_cut_leaves_no_hyphen_before_the_time() -> None:
    name = policy.job_name(AETitle("ABCDEFGHIJKLMNOP"), "a" * 21 + "_" + "b" * 20, CLOSED_AT, ID)
    assert "--" not in name
    assert name.endswith("a-20261122081500-9f3c21ab")


@pytest.mark.parametrize("text", ["___", "~", "电脑", "..", "/"])
def test_names_without_a_letter_or_digit_are_replaced(text: str) -> None:
    assert policy.job_name(AETitle("!!!"), text, CLOSED_AT, ID) == "ae-workflow-20261122081500-9f3c21ab"


@given(
    ae=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=16),
    workflow=st.text(max_size=100),
)
def test_every_name_is_a_kubernetes_name_and_says_its_id(ae: str, workflow: str) -> None:
    title = AETitle(ae) if ae.strip(" ") else AETitle("X")
    name = policy.job_name(title, workflow, CLOSED_AT, ID)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 63
    assert name.endswith("-20261122081500-9f3c21ab")


def test_the_same_group_and_label_make_the_same_job_however_often() -> None:
    first = policy.job_id(GroupId(7), CLOSED_AT, "lung")
    assert policy.job_id(GroupId(7), CLOSED_AT, "lung") == first
    assert re.fullmatch("[0-9a-f]{32}", first)


def test_another_group_time_or_label_makes_another_job() -> None:
    ids = {
        policy.job_id(GroupId(7), CLOSED_AT, "lung"),
        policy.job_id(GroupId(8), CLOSED_AT, "lung"),
        policy.job_id(GroupId(7), CLOSED_AT, "bone"),
        # A new ledger counts its groups from 1 again: only the time tells them from those of the old one.
        policy.job_id(GroupId(7), CLOSED_AT + timedelta(microseconds=1), "lung"),
    }
    assert len(ids) == 4


def test_planning_is_tried_three_times_and_each_time_later() -> None:
    waits = [policy.planning_retry(attempts) for attempts in (1, 2, 3, 4)]
    assert waits == [timedelta(seconds=5), timedelta(seconds=30), None, None]
