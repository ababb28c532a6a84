from __future__ import annotations

import pytest

from hilum.cli.exit import ExitCode, FailedError, UsageError, code_of, report
from hilum.errors import ConfigError, LocalError, PeerError, PermanentError, Problem, TemporaryError

CONFIG = ConfigError([Problem(where="app.yaml:3:5", path="dicom.scp.prt", message="unknown key 'prt'")])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermanentError("refused"), 1),
        (PeerError("nonsense"), 1),
        (UsageError("no such word"), 2),
        (CONFIG, 2),
        (TemporaryError("busy"), 3),
        (LocalError("a bug"), 4),
        (ValueError("a bug"), 4),
        (KeyboardInterrupt(), 130),
        (FailedError(), 1),
        (FailedError(ExitCode.TEMPORARY), 3),
    ],
)
def test_each_kind_of_error_has_its_exit_status(error: BaseException, code: int) -> None:
    assert code_of(error) == code


def test_an_expected_error_is_one_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(TemporaryError("PACS at 10.0.0.6:104: the connection was refused")) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "hilum: PACS at 10.0.0.6:104: the connection was refused\n"


def test_problems_of_the_configuration_are_lines_to_click_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(CONFIG) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "app.yaml:3:5: dicom.scp.prt: unknown key 'prt'"
    assert "1 problem" in second


def test_a_failure_that_was_told_already_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(FailedError()) == 1
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_used_is_named_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(PermissionError(13, "Permission denied", "/etc/x")) == 1
    assert capsys.readouterr().err == "hilum: /etc/x: Permission denied\n"


def test_a_fault_of_ours_comes_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert report(caught.value) == 4
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "fault in Hilum itself" in said
