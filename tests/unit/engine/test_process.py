from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hilum
from hilum.engine.port import Run
from hilum.engine.process import environment_for, fill_in, readable
from hilum.model import JobId

RUN = Run(
    job_id=JobId("0" * 31 + "7"),
    job_name="scp-ct-20261122081500-9f3c21ab",
    folder=Path("/payloads/scp-ct"),
    workflow="{output} of $(id)",
    workflow_name="ct",
    attempt=1,
)


def test_placeholders_are_replaced_wherever_they_stand_in_an_argument() -> None:
    command = ("model", "--in={input}", "{output}/x", "{job}:{job}")
    assert fill_in(command, RUN) == (
        "model",
        "--in=/payloads/scp-ct/input",
        "/payloads/scp-ct/output/x",
        f"{RUN.job_id}:{RUN.job_id}",
    )


def test_what_a_placeholder_brings_in_is_not_looked_at_again() -> None:
    assert fill_in(("{workflow}",), RUN) == ("{output} of $(id)",)


def test_other_braces_stay_as_they_are() -> None:
    command = ("{}", "{0.__class__}", "{Input}", "{{input}}", '{"a": 1}')
    assert fill_in(command, RUN) == ("{}", "{0.__class__}", "{Input}", "{/payloads/scp-ct/input}", '{"a": 1}')


def test_settings_of_hilum_do_not_reach_the_command() -> None:
    inherited = {"PATH": "/bin", "HILUM__LEDGER__URL": "postgresql://secret"}
    environment = environment_for(RUN, inherited=inherited, added={})
    assert environment["PATH"] == "/bin"
    assert "HILUM__LEDGER__URL" not in environment


def test_existing_modules_find_the_names_they_read() -> None:
    environment = environment_for(RUN, inherited={}, added={})
    for name in ("HILUM_INPUT", "MONAI_INPUTPATH", "HOLOSCAN_INPUT_PATH", "MERCURE_IN_DIR"):
        assert environment[name] == "/payloads/scp-ct/input"
    for name in ("HILUM_OUTPUT", "MONAI_OUTPUTPATH", "HOLOSCAN_OUTPUT_PATH", "MERCURE_OUT_DIR"):
        assert environment[name] == "/payloads/scp-ct/output"
    assert environment["HILUM_JOB_ID"] == RUN.job_id
    assert environment["HILUM_WORKFLOW"] == RUN.workflow


def test_the_environment_of_the_engine_wins() -> None:
    environment = environment_for(RUN, inherited={"A": "1", "B": "1"}, added={"B": "2", "MERCURE_IN_DIR": "/elsewhere"})
    assert (environment["A"], environment["B"], environment["MERCURE_IN_DIR"]) == ("1", "2", "/elsewhere")


def test_python_programs_do_not_hold_their_log_back_unless_told_to() -> None:
    assert environment_for(RUN, inherited={}, added={})["PYTHONUNBUFFERED"] == "1"
    assert environment_for(RUN, inherited={"PYTHONUNBUFFERED": ""}, added={})["PYTHONUNBUFFERED"] == ""


def test_the_tail_of_a_log_is_its_last_lines() -> None:
    assert readable(b"one\ntwo\nthree\n", 2) == "two\nthree"
    assert readable(b"one\ntwo", 5) == "one\ntwo"
    assert readable(b"one\n", 0) == ""
    assert readable(b"", 5) == ""


def test_a_progress_bar_is_shown_as_it_ended() -> None:
    assert readable(b" 10%\r 50%\r100%\r\ndone\n", 5) == "100%\ndone"


def test_a_log_cannot_write_to_the_terminal_of_its_reader() -> None:
    assert (
        readable(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \xff \x9b2J\ttab", 1)
        == r"red \x1b]0;title\x07 " + "\ufffd \ufffd2J\ttab"
    )
    assert readable("\u202ereversed \x9b2J".encode(), 1) == r"\u202ereversed \x9b2J"


def test_the_supervisor_loads_nothing_that_delays_the_start_of_a_command() -> None:
    slow = {
        "json",
        "re",
        "enum",
        "signal",
        "pathlib",
        "contextlib",
        "dataclasses",
        "typing",
        "collections",
        "subprocess",
    }
    root = str(Path(hilum.__file__).parent.parent)
    program = f"import sys; sys.path.append({root!r}); import hilum.engine.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert "hilum.engine.supervisor" in loaded.stdout.split()
    assert not slow & set(loaded.stdout.split())
