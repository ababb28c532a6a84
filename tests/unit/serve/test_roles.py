"""Roles: every step has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum import config
from hilum.errors import PermanentError
from hilum.serve.flow import FOLLOWS
from hilum.serve.parts import Parts
from hilum.serve.roles import ALL, ROLE_OF, Role, missing, parse


def parts(folder: Path, roles: frozenset[Role]) -> Parts:
    (folder / "app.yaml").write_text("dicom: {scp: {reject-unknown-sources: false}}\n")
    settings = config.load(folder / "app.yaml", {})
    return Parts(settings, None, roles=roles, clock=None, distrusted=lambda _why: None, fenced=lambda _why: None)


def test_every_step_has_one_role_and_every_role_that_has_steps_is_there(tmp_path: Path) -> None:
    made = parts(tmp_path, ALL)
    names = [step.name for step in made.all_steps()]
    assert len(names) == len(set(names))
    assert set(names) == ROLE_OF.keys() == FOLLOWS.keys()
    assert set(ROLE_OF.values()) - {None} == ALL - {Role.WEB}
    assert [step.name for step in made.steps()] == names
    made.database.close()


@pytest.mark.parametrize("role", Role)
def test_a_gateway_has_the_steps_of_its_roles_alone(role: Role, tmp_path: Path) -> None:
    made = parts(tmp_path, frozenset({role}))
    assert {step.name for step in made.steps()} == {name for name, its in ROLE_OF.items() if its in {role, None}}
    made.database.close()


def test_roles_are_read_from_a_list() -> None:
    assert parse("receive, web") == {Role.RECEIVE, Role.WEB}
    assert missing(parse("receive,group,run,deliver,web")) == [Role.NOTIFY, Role.HOUSEKEEP]
    assert missing(ALL) == []


@pytest.mark.parametrize(("text", "says"), [("receive,recieve", "no role 'recieve'"), (",", "no role is named")])
def test_an_unknown_role_is_answered_with_the_list(text: str, says: str) -> None:
    with pytest.raises(PermanentError, match=says) as caught:
        parse(text)
    assert "receive, group, run, deliver, notify, housekeep, web" in str(caught.value)
