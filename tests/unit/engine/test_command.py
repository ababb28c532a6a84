from __future__ import annotations

from pathlib import Path

from hilum.engine.command import Task, environment_for, fill_in
from hilum.engine.port import Run
from hilum.model import JobId

RUN = Run(
    job_id=JobId("0" * 31 + "7"),
    job_name="scp-ct-20261122081500-9f3c21ab",
    folder=Path("/payloads/scp-ct"),
    workflow="{output} of $(id)",
    workflow_name="ct",
    attempt=1,
)
TASK = Task.of(RUN)


def test_placeholders_are_replaced_wherever_they_stand_in_an_argument() -> None:
    command = ("model", "--in={input}", "{output}/x", "{job}:{job}")
    assert fill_in(command, TASK) == (
        "model",
        "--in=/payloads/scp-ct/input",
        "/payloads/scp-ct/output/x",
        f"{RUN.job_id}:{RUN.job_id}",
    )


def test_what_a_placeholder_brings_in_is_not_looked_at_again() -> None:
    assert fill_in(("{workflow}",), TASK) == ("{output} of $(id)",)


def test_other_braces_stay_as_they_are() -> None:
    command = ("{}", "{0.__class__}", "{Input}", "{{input}}", '{"a": 1}')
    assert fill_in(command, TASK) == ("{}", "{0.__class__}", "{Input}", "{/payloads/scp-ct/input}", '{"a": 1}')


def test_settings_of_hilum_do_not_reach_the_command() -> None:
    inherited = {"PATH": "/bin", "HILUM__LEDGER__URL": "postgresql://secret"}
    environment = environment_for(TASK, inherited=inherited, added={})
    assert environment["PATH"] == "/bin"
    assert "HILUM__LEDGER__URL" not in environment


def test_existing_modules_find_the_names_they_read() -> None:
    environment = environment_for(TASK, inherited={}, added={})
    for name in ("HILUM_INPUT", "MONAI_INPUTPATH", "HOLOSCAN_INPUT_PATH", "MERCURE_IN_DIR"):
        assert environment[name] == "/payloads/scp-ct/input"
    for name in ("HILUM_OUTPUT", "MONAI_OUTPUTPATH", "HOLOSCAN_OUTPUT_PATH", "MERCURE_OUT_DIR"):
        assert environment[name] == "/payloads/scp-ct/output"
    assert environment["HILUM_JOB_ID"] == RUN.job_id
    assert environment["HILUM_WORKFLOW"] == RUN.workflow


def test_the_environment_of_the_engine_wins() -> None:
    environment = environment_for(
        TASK, inherited={"A": "1", "B": "1"}, added={"B": "2", "MERCURE_IN_DIR": "/elsewhere"}
    )
    assert (environment["A"], environment["B"], environment["MERCURE_IN_DIR"]) == ("1", "2", "/elsewhere")


def test_python_programs_do_not_hold_their_log_back_unless_told_to() -> None:
    assert environment_for(TASK, inherited={}, added={})["PYTHONUNBUFFERED"] == "1"
    assert environment_for(TASK, inherited={"PYTHONUNBUFFERED": ""}, added={})["PYTHONUNBUFFERED"] == ""
