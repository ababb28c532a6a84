"""What becomes of a run when the gateway or its supervisor is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

from hilum.engine import attempt as on_disk
from hilum.engine.port import Phase
from hilum.engine.process import ProcessEngine, _Attempt
from stage.engine.jobs import Stage, alive, children, end_of, eventually

WAITING = "open('pid', 'w').write(f'{os.getpid()}\\n'); wait_for('go')"


def phase(engine: ProcessEngine, stage: Stage) -> Phase:
    return engine.status([stage.run()])[stage.run().job_id].phase


def submit_from_a_gateway_that_is_killed(engine: ProcessEngine, stage: Stage) -> None:
    program = """
import datetime, os, signal
from pathlib import PosixPath
from hilum.engine.port import Run
from hilum.engine.process import ProcessEngine, _Attempt
engine, run = {engine!r}, {run!r}
engine.submit(run)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program.format(engine=engine, run=stage.run())], check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def test_a_run_survives_the_gateway_and_the_next_one_learns_of_its_success(stage: Stage) -> None:
    engine = stage.engine("open('started', 'a').write('x'); wait_for('go'); open('output/x.dcm', 'w')")
    submit_from_a_gateway_that_is_killed(engine, stage)
    eventually((stage.folder / "started").exists, "the start")
    next_engine = replace(engine)
    assert phase(next_engine, stage) is Phase.RUNNING
    next_engine.submit(stage.run())
    (stage.folder / "go").touch()
    assert end_of(next_engine, stage.run()).phase is Phase.SUCCEEDED
    assert (stage.output / "x.dcm").exists()
    assert (stage.folder / "started").read_text() == "x"


def test_the_time_limit_holds_while_no_gateway_runs(stage: Stage) -> None:
    engine = stage.engine("open('pid', 'w').write(f'{os.getpid()}\\n'); time.sleep(60)", timeout=0.5)
    submit_from_a_gateway_that_is_killed(engine, stage)
    assert stage.record("exit.json")["reason"] == "timeout"
    assert not alive(stage.pid("pid"))


def test_the_next_gateway_can_cancel(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    submit_from_a_gateway_that_is_killed(engine, stage)
    pid = stage.pid("pid")
    replace(engine).cancel(stage.run())
    assert end_of(engine, stage.run()).reason == "cancelled"
    assert not alive(pid)


def test_a_supervisor_that_died_before_the_start_is_replaced_by_submitting_again(stage: Stage) -> None:
    (stage.folder / "run/1").mkdir(parents=True)
    (stage.folder / "run/1/lock").touch()
    engine = stage.engine("pass")
    assert phase(engine, stage) is Phase.PENDING
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED


def start_late(engine: ProcessEngine, stage: Stage) -> None:
    """Start a supervisor as a gateway does that looked for an earlier start before there was one; wait for its end."""
    engine._start_supervisor(stage.run(), _Attempt(stage.run()))
    eventually(lambda: not children(), "the end of every supervisor")


def test_a_supervisor_that_comes_late_leaves_a_finished_attempt_alone(stage: Stage) -> None:
    engine = stage.engine("open('runs', 'a').write('x')")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    eventually(lambda: not children(), "the end of the supervisor")
    start_late(engine, stage)
    assert (stage.folder / "runs").read_text() == "x"


def test_a_supervisor_that_comes_late_leaves_a_cancelled_attempt_alone(stage: Stage) -> None:
    engine = stage.engine("open('runs', 'a').write('x')")
    engine.cancel(stage.run())
    (stage.folder / "run/1/cancel").unlink()
    start_late(engine, stage)
    assert not (stage.folder / "runs").exists()


def test_a_supervisor_that_comes_late_leaves_a_lost_attempt_alone(stage: Stage) -> None:
    engine = stage.engine("open('runs', 'a').write('x'); " + WAITING)
    os.kill(orphan(engine, stage), signal.SIGKILL)
    assert end_of(engine, stage.run()).phase is Phase.LOST
    start_late(engine, stage)
    assert (stage.folder / "runs").read_text() == "x"
    assert phase(engine, stage) is Phase.LOST


def orphan(engine: ProcessEngine, stage: Stage) -> int:
    """Start the program, kill its supervisor, and return the program's process id."""
    engine.submit(stage.run())
    pid = stage.pid("pid")
    os.kill(stage.supervisor(), signal.SIGKILL)
    eventually(lambda: not alive(stage.supervisor()), "the end of the supervisor")
    return pid


def test_a_run_without_supervisor_runs_until_its_command_ends_and_is_lost_then(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    pid = orphan(engine, stage)
    status = engine.status([stage.run()])[stage.run().job_id]
    assert status.phase is Phase.RUNNING
    assert "supervisor is gone" in status.reason
    engine.submit(stage.run())
    (stage.folder / "go").touch()
    assert end_of(engine, stage.run()).phase is Phase.LOST
    assert not alive(pid)
    engine.submit(stage.run())
    assert phase(engine, stage) is Phase.LOST


def test_a_command_that_has_let_go_of_the_lock_is_still_seen(stage: Stage) -> None:
    engine = stage.engine("os.closerange(3, 64); " + WAITING)
    orphan(engine, stage)
    assert phase(engine, stage) is Phase.RUNNING
    (stage.folder / "go").touch()
    assert end_of(engine, stage.run()).phase is Phase.LOST


def test_a_child_that_outlives_command_and_supervisor_keeps_the_run_going(stage: Stage) -> None:
    engine = stage.engine(f"if os.fork() == 0:\n    {WAITING}\nelse:\n    wait_for('end')")
    pid = orphan(engine, stage)
    (stage.folder / "end").touch()
    assert phase(engine, stage) is Phase.RUNNING
    engine.cancel(stage.run())
    assert end_of(engine, stage.run()).reason == "cancelled"
    assert not alive(pid)


def test_a_run_without_supervisor_can_be_cancelled(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    pid = orphan(engine, stage)
    engine.cancel(stage.run())
    status = end_of(engine, stage.run())
    assert (status.phase, status.reason) == (Phase.FAILED, "cancelled")
    assert not alive(pid)


def test_a_run_without_supervisor_is_ended_at_its_time_limit(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    pid = orphan(engine, stage)
    assert phase(engine, stage) is Phase.RUNNING
    status = end_of(replace(engine, timeout=timedelta(milliseconds=1)), stage.run())
    assert status.phase is Phase.FAILED
    assert "time limit" in status.reason
    assert not alive(pid)


def test_a_lost_run_can_be_cancelled(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    os.kill(orphan(engine, stage), signal.SIGKILL)
    assert end_of(engine, stage.run()).phase is Phase.LOST
    engine.cancel(stage.run())
    assert end_of(engine, stage.run()).reason == "cancelled"


def test_a_supervisor_on_another_machine_is_known_by_its_lock_alone(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    engine.submit(stage.run())
    stage.pid("pid")
    stage.rewrite_start(machine="another")
    assert phase(engine, stage) is Phase.RUNNING
    (stage.folder / "go").touch()
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED


def test_a_supervisor_on_another_machine_can_be_told_to_cancel(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    engine.submit(stage.run())
    pid = stage.pid("pid")
    stage.rewrite_start(machine="another")
    engine.cancel(stage.run())
    assert end_of(engine, stage.run()).reason == "cancelled"
    assert not alive(pid)


def test_a_process_id_of_another_machine_or_boot_is_nobody(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    os.kill(orphan(engine, stage), signal.SIGKILL)
    me = on_disk.process_stat(os.getpid())
    assert me is not None
    stage.rewrite_start(supervisor=os.getpid(), ticks=me[2])
    assert phase(engine, stage) is Phase.RUNNING
    stage.rewrite_start(machine="another")
    eventually(lambda: phase(engine, stage) is Phase.LOST, "that what was killed is gone")


def test_processes_that_got_the_id_of_a_supervisor_are_left_alone(stage: Stage) -> None:
    engine = stage.engine(WAITING)
    os.kill(orphan(engine, stage), signal.SIGKILL)
    assert end_of(engine, stage.run()).phase is Phase.LOST
    program = f"cd {stage.folder}; sleep 60 & echo $! > bystander; wait"
    leader = subprocess.Popen(["sh", "-c", program], start_new_session=True)
    child = stage.pid("bystander")
    try:
        stage.rewrite_start(supervisor=leader.pid)
        assert phase(engine, stage) is Phase.LOST
        engine.cancel(stage.run())
        assert end_of(engine, stage.run()).reason == "cancelled"
        assert leader.poll() is None
        assert alive(child)
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()
