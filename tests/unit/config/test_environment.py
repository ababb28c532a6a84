from __future__ import annotations

from collections.abc import Callable

import pytest

from hilum.config import Settings
from hilum.errors import Problem

Read = Callable[..., Settings]
Refuse = Callable[..., tuple[Problem, ...]]

SOURCE = "dicom: {scp: {sources: [{host-ip: 10.0.0.5, ae-title: CT}]}}\n"


def test_a_variable_overrides_a_value_of_the_file(read: Read) -> None:
    settings = read("dicom: {scp: {port: 104}}", {"HILUM__DICOM__SCP__PORT": "11112", "HILUM_INPUT": "x", "PORT": "1"})
    assert settings.dicom.scp.port == 11112


def test_one_underscore_is_a_hyphen_and_a_number_is_a_place_in_a_list(read: Read) -> None:
    settings = read(
        "dicom: {scp: {ae-titles: [{ae-title: A}, {ae-title: B}]}}",
        {"HILUM__DICOM__SCP__AE_TITLES__1__TIMEOUT_GROUP": "Study"},
    )
    assert [ae.timeout_group for ae in settings.dicom.scp.ae_titles] == ["Association", "Study"]


def test_what_the_file_leaves_out_can_be_set(read: Read) -> None:
    settings = read("{}", {"HILUM__DICOM__SCP__AE_TITLES__0__TIMEOUT": "300", "HILUM__STORAGE__PAYLOADS": "/jobs"})
    assert [(ae.title, ae.timeout) for ae in settings.dicom.scp.ae_titles] == [("ClaraSCP", 300)]
    assert str(settings.storage.payloads) == "/jobs"


def test_a_value_may_be_a_list_or_keys_and_values(read: Read) -> None:
    settings = read("{}", {"HILUM__DICOM__SCP__SOURCES": "[{host-ip: 10.0.0.5, ae-title: CT}]"})
    assert settings.dicom.scp.sources[0].ae_title == "CT"


def test_the_next_entry_of_a_list_can_be_added(read: Read) -> None:
    settings = read(
        SOURCE, {"HILUM__DICOM__SCP__SOURCES__1__HOST_IP": "::1", "HILUM__DICOM__SCP__SOURCES__1__AE_TITLE": "MR"}
    )
    assert [source.ae_title for source in settings.dicom.scp.sources] == ["CT", "MR"]


def test_an_outer_variable_does_not_undo_an_inner_one(read: Read) -> None:
    settings = read("{}", {"HILUM__DICOM__SCP__PORT": "7", "HILUM__DICOM": "{scp: {port: 5, max-associations: 4}}"})
    assert (settings.dicom.scp.port, settings.dicom.scp.max_associations) == (7, 4)


def test_entries_of_a_list_are_set_in_the_order_of_their_numbers(read: Read) -> None:
    count = 12
    environ = {f"HILUM__DICOM__SCP__SOURCES__{n}": f"{{host-ip: h{n}, ae-title: A{n}}}" for n in reversed(range(count))}
    assert [source.host_ip for source in read("{}", environ).dicom.scp.sources] == [f"h{n}" for n in range(count)]


def test_other_spellings_work_here_too(read: Read) -> None:
    settings = read(
        "dicom: {workflows: [{name: a, clara-ae-title: ClaraSCP, destination-name: A}]}\n",
        {
            "HILUM__WORKFLOWS__0__DESTINATION": "B",
            "HILUM__DICOM__WORKFLOWS__0__WORKFLOW": "uuid",
            "HILUM__DICOM__STORAGE__RESERVE_GB": "1",
            "HILUM__DICOM__SCU__DESTINATIONS": "[{name: B, host-ip: b, port: 1, ae-title: B}]",
        },
    )
    assert (settings.workflows[0].destinations, settings.workflows[0].workflow) == (("B",), "uuid")
    assert settings.storage.reserve_gb == 1


def test_an_entry_from_the_environment_may_use_the_other_spelling(read: Read) -> None:
    settings = read(
        "dicom: {scu: {destinations: [{name: B, host-ip: b, port: 1, ae-title: B}]}}",
        {"HILUM__WORKFLOWS": "[{name: a, clara-ae-title: ClaraSCP, destination: B}]"},
    )
    assert settings.workflows[0].destinations == ("B",)


def test_names_of_engines_and_variables_are_found_and_kept(read: Read) -> None:
    settings = read(
        "engines: {My_Model: {type: process, command: [x]}}",
        {
            "HILUM__ENGINES__MY_MODEL__ATTEMPTS": "5",
            "HILUM__ENGINES__MY_MODEL__ENVIRONMENT__CUDA_VISIBLE_DEVICES": "'0'",
            "HILUM__ENGINES__GPU_TWO__TYPE": "folder",
        },
    )
    assert list(settings.engines) == ["folder", "My_Model", "gpu-two"]
    assert settings.engines["My_Model"].attempts == 5
    assert settings.engines["My_Model"].environment == {"CUDA_VISIBLE_DEVICES": "0"}


@pytest.mark.parametrize("secret", ["123456", "*x: {", "true", "plain", "[1, 2]", "# hash"])
def test_a_token_is_taken_as_it_is(read: Read, secret: str) -> None:
    assert read("{}", {"HILUM__WEB__TOKEN": secret}).web.token == secret


# variable, value, path, what the message says
CASES = [
    ("HILUM__DICOM__SCP__PORRT", "1", "dicom.scp.porrt", "unknown key 'porrt'; did you mean 'port'?"),
    ("HILUM__DICOM__SCP__PORT", "many", "dicom.scp.port", "expected a whole number from 0 to 65535, found the text"),
    ("HILUM__DICOM__SCP__PORT", "70000", "dicom.scp.port", "found 70000"),
    ("HILUM__DICOM__SCP__PORT", "", "dicom.scp.port", "there is no value here"),
    ("HILUM__DICOM__SCP__PORT", "{", "", "a bracket that was opened is not closed (the value is read as YAML)"),
    ("HILUM__DICOM__SCP__PORT", "!!python/name:os.system x", "", "is not allowed"),
    ("HILUM__DICOM__SCP__PORT__MORE", "1", "dicom.scp.port", "found keys and values"),
    ("HILUM__DICOM__SCP__HOST", "a\x00b", "", "the character U+0000"),
    ("HILUM__DICOM__SCP__HOST", "a\udce9", "", "the character U+DCE9"),
    (
        "HILUM__DICOM__SCP__SOURCES__5__AE_TITLE",
        "A",
        "",
        "expected the number of an entry of dicom.scp.sources, at most 1",
    ),
    ("HILUM__DICOM__SCP__SOURCES__LAST", "A", "", "dicom.scp.sources is a list; expected the number of an entry"),
    ("HILUM__DICOM__SCP__SOURCES__0__AE_TITLE__X", "A", "", "dicom.scp.sources[0].ae-title is a single value"),
    ("HILUM__DICOM__SCP__SOURCES__1__HOST_IP", "a", "dicom.scp.sources[1].ae-title", "this key is missing"),
    ("HILUM__DICOM__SCP__SOURCES", "[{host-ip: a, ae-title: A, x: 1}]", "dicom.scp.sources[0].x", "unknown key 'x'"),
    ("HILUM__", "1", "", "expected names joined by two underscores"),
    ("HILUM__DICOM____PORT", "1", "", "expected names joined by two underscores"),
    ("HILUM__ZEBRA", "1", "zebra", "known here: dicom,"),
]


@pytest.mark.parametrize(("variable", "value", "path", "words"), CASES)
def test_a_mistake_names_the_variable(refuse: Refuse, variable: str, value: str, path: str, words: str) -> None:
    (problem,) = refuse(SOURCE, {variable: value})
    assert (problem.where, problem.path) == (variable, path)
    assert words in problem.message


def test_no_message_quotes_a_token(refuse: Refuse) -> None:
    (problem,) = refuse("{}", {"HILUM__WEB__TOKEN": " hush\x00"})
    assert "hush" not in str(problem)


def test_a_value_from_the_environment_refers_and_is_referred_to(refuse: Refuse) -> None:
    (problem,) = refuse(
        "workflows: [{name: a, clara-ae-title: CT}]", {"HILUM__DICOM__SCP__AE_TITLES": "[{ae-title: MR}]"}
    )
    assert (problem.where, problem.path) == ("app.yaml:1:39", "workflows[0].clara-ae-title")
    assert "there is only MR" in problem.message
