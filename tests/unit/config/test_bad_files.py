"""Files that are no configuration at all, by accident or on purpose."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.config import Settings, load
from hilum.errors import ConfigError, Problem

Read = Callable[..., Settings]
Refuse = Callable[..., tuple[Problem, ...]]

# text, line:column or nothing, what the message says
CASES = [
    ("", "", "the file is empty"),
    ("# only a comment\n", "", "the file is empty"),
    ("---\n...\n", "", "the file is empty"),
    ("just words", "1:1", "expected keys and values"),
    ("- a\n- b\n", "1:1", "expected keys and values"),
    ("dicom:\n\tscp: {}", "2:1", "there is a tab here; YAML is indented with spaces"),
    (
        "dicom:\n  scp:\n    port: 1\n   host: x",
        "4:4",
        "check the indentation: all keys of a section begin in one column",
    ),
    ("dicom:\n  scp: a: b", "2:9", "put the value in quotes if the ':' is part of it"),
    ("dicom:\n  scp:\n    port: 1\n  - a", "4:3", "an entry '-' stands where none can be"),
    ("dicom:\n  - a\n - b", "3:2", "check the indentation"),
    ("dicom: - a", "1:8", "an entry '-' stands where none can be"),
    ("dicom: {scp: {port: 1}\nweb: {}", "2:1", "the bracket that was opened in line 1 is not closed"),
    ("dicom: {scp: ", "1:14", "there is no value here, or a bracket that was opened is not closed"),
    ('dicom: "never\n  closed', "1:8", "the quote that is opened here is never closed"),
    ('dicom: "\\q"', "1:10", "there is an unknown '\\' in double quotes"),
    ("dicom: @x", "1:8", "a value cannot begin with @; put it in quotes"),
    ("dicom: *scp", "1:8", "there is no anchor &scp for the alias *scp"),
    ("dicom: {}\n---\nweb: {}", "2:1", "a second document begins here"),
    ("dicom\nscp: 1\n", "2:4", "put the value in quotes if the ':' is part of it, or check the indentation"),
    (b"dicom:\n  scp: caf\xe9\n", "2:11", "the file is not UTF-8 from here on; save it again as UTF-8"),
    ("dicom: {}\n".encode("utf-16"), "1:1", "the file is not UTF-8"),
    (b"dicom: \x00\n", "1:8", "the character U+0000"),
    ("dicom: {}\nweb: \x1b[2J\n", "2:6", "the character U+001B"),
    ("[" * 100_000, "1:22", "nested too deeply"),
    ("".join("\n" + " " * n + "a:" for n in range(1000)), "", "nested too deeply"),
    ("dicom: " + "[" * 30 + "]" * 30, "1:29", "nested too deeply"),
    ("#" * 1_048_577, "", "larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "place", "words"), CASES, ids=[case[2][:40] for case in CASES])
def test_a_file_that_is_no_configuration_is_refused_in_plain_words(
    refuse: Refuse, text: str | bytes, place: str, words: str
) -> None:
    (problem,) = refuse(text)
    assert problem.where == (f"app.yaml:{place}" if place else "app.yaml")
    assert problem.path == ""
    assert words in problem.message
    assert "\n" not in problem.message


def test_a_missing_file_tells_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file; 'hilum init' writes one") as caught:
        load(tmp_path / "app.yaml", {})
    assert caught.value.problems[0].where == str(tmp_path / "app.yaml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is a folder; expected a YAML file"):
        load(tmp_path, {})


def test_a_file_that_the_system_refuses_is_reported_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"the file cannot be read: Not a directory"):
        load(tmp_path / "file" / "app.yaml", {})


def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("dicom: {}")
    load(path, {})  # what is imported at first use is imported before the right to read it goes
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # nothing is closed to root
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="the file cannot be read: Permission denied; check its owner and mode"):
            load(path, {})
    finally:
        os.seteuid(user)


def test_a_byte_order_mark_is_no_mistake(read: Read) -> None:
    assert read("\ufeffdicom: {scp: {port: 5}}").dicom.scp.port == 5


def test_line_ends_of_windows_are_no_mistake(read: Read) -> None:
    assert read("dicom:\r\n  scp:\r\n    port: 5\r\n").dicom.scp.port == 5


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['touch pwned']", "!!python/name:os.system ''", "!Ref x", "!!binary eA=="]
)
def test_a_tag_is_refused_and_constructs_nothing(refuse: Refuse, tag: str) -> None:
    (problem,) = refuse(f"dicom:\n  scp:\n    host: {tag}")
    assert (problem.where, problem.path) == ("app.yaml:3:11", "dicom.scp.host")
    assert "the tag !" in problem.message
    assert not Path("pwned").exists()


def test_a_billion_laughs_are_refused_at_once(refuse: Refuse) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.monotonic()
    (problem,) = refuse("\n".join(lines))
    assert "aliases (*name) repeat more than 10000 values" in problem.message
    assert time.monotonic() - started < 10


def test_a_long_text_cannot_be_repeated_without_end_either(refuse: Refuse) -> None:
    (problem,) = refuse(f"a: &a '{'x' * 500_000}'\nb: [{'*a, ' * 5_000}]")
    assert "write fewer of them" in problem.message


def test_an_alias_within_its_own_value_is_refused(refuse: Refuse) -> None:
    problems = refuse("engines: &all {a: *all}")
    assert "the alias *all stands within the very value that it repeats" in problems[0].message


def test_aliases_and_merges_of_a_reasonable_size_are_welcome(read: Read) -> None:
    settings = read(
        """\
dicom:
  scp:
    ae-titles:
      - &ct {ae-title: CT1, timeout: 60, timeout-group: Patient}
      - {<<: *ct, ae-title: CT2}
      - ae-title: CT3
        timeout: 5
        <<: *ct
"""
    )
    assert [(ae.title, ae.timeout, ae.timeout_group) for ae in settings.dicom.scp.ae_titles] == [
        ("CT1", 60, "Patient"),
        ("CT2", 60, "Patient"),
        ("CT3", 5, "Patient"),
    ]


def test_what_a_merge_brings_is_reported_where_the_merge_stands(refuse: Refuse) -> None:
    problems = refuse("dicom:\n  scp:\n    ae-titles:\n    - &a {ae-title: A}\n    - {<<: *a}\n    - {<<: [1]}\n")
    assert [problem.where for problem in problems] == ["app.yaml:5:8", "app.yaml:6:12"]
    assert "expected an alias of keys and values after '<<:'" in problems[1].message


def test_a_directive_of_an_older_yaml_does_not_make_words_true(refuse: Refuse) -> None:
    (problem,) = refuse("%YAML 1.1\n---\ndicom: {scp: {log-dimse-datasets: yes}}")
    assert "write true" in problem.message


def test_nothing_is_printed_or_left_on_the_recursion_limit(refuse: Refuse, capfd: pytest.CaptureFixture[str]) -> None:
    limit = sys.getrecursionlimit()
    refuse("a: &x 1\nb: &x 2")
    assert sys.getrecursionlimit() == limit
    assert capfd.readouterr() == ("", "")
