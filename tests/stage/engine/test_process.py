from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from hilum.engine import process
from hilum.engine.port import Engine, Healthy, Phase, Status, Unhealthy
from hilum.errors import PermanentError, TemporaryError
from stage.engine.jobs import Stage, alive, children, end_of, eventually


def test_a_command_that_ends_with_0_finishes_its_job(stage: Stage) -> None:
    engine: Engine = stage.engine("open(sys.argv[2] + '/x.dcm', 'w').write(sys.argv[1])", "{input}", "{output}")
    assert engine.submit(stage.run()) == "run/1"
    assert end_of(engine, stage.run()) == Status(phase=Phase.SUCCEEDED, exit_code=0)
    assert (stage.output / "x.dcm").read_text() == str(stage.folder / "input")
    assert (stage.output / "job.done").is_file()


def test_a_job_is_finished_without_anybody_asking(stage: Stage) -> None:
    engine = stage.engine("pass")
    engine.submit(stage.run())
    eventually((stage.output / "job.done").exists, "job.done")


def test_the_command_runs_in_the_job_folder_with_nothing_to_read_and_no_shell(stage: Stage) -> None:
    engine = stage.engine(
        "assert sys.stdin.read() == ''; print(os.getcwd(), sys.argv[1:])", "$HOME", "; id", "{unknown}"
    )
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    assert engine.logs(stage.run(), 5) == f"{stage.folder} ['$HOME', '; id', '{{unknown}}']"


def test_an_exit_code_other_than_0_is_reported(stage: Stage) -> None:
    engine = stage.engine("sys.exit(3)")
    engine.submit(stage.run())
    status = end_of(engine, stage.run())
    assert (status.phase, status.exit_code) == (Phase.FAILED, 3)
    assert "exit code 3" in status.reason
    assert not (stage.output / "job.done").exists()


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGTERM"])
def test_a_signal_that_ended_the_command_is_named(stage: Stage, name: str) -> None:
    engine = stage.engine("os.kill(os.getpid(), getattr(signal, sys.argv[1]))", name)
    engine.submit(stage.run())
    status = end_of(engine, stage.run())
    assert (status.phase, status.exit_code) == (Phase.FAILED, None)
    assert name in status.reason


def test_job_done_of_a_command_that_failed_is_no_success(stage: Stage) -> None:
    engine = stage.engine("open('output/job.done', 'w'); sys.exit(1)")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.FAILED


def test_job_done_that_is_no_plain_file_is_no_success(stage: Stage) -> None:
    engine = stage.engine("os.mkdir('output/job.done')")
    engine.submit(stage.run())
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "job.done" in status.reason


def test_a_crash_between_the_record_of_success_and_job_done_is_repaired(stage: Stage) -> None:
    engine = stage.engine("pass")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    eventually(lambda: not alive(stage.supervisor()), "the end of the supervisor")
    (stage.output / "job.done").unlink()
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    assert (stage.output / "job.done").is_file()


def test_submitting_again_at_any_moment_starts_no_second_command(stage: Stage) -> None:
    engine = stage.engine("open('runs', 'a').write('x'); wait_for('go')")
    threads = [threading.Thread(target=engine.submit, args=(stage.run(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually((stage.folder / "runs").exists, "the start")
    engine.submit(stage.run())
    (stage.folder / "go").touch()
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    engine.submit(stage.run())
    eventually(lambda: not children(), "the end of every supervisor")
    assert (stage.folder / "runs").read_text() == "x"


def test_an_attempt_that_nobody_submitted_is_pending(stage: Stage) -> None:
    assert stage.engine("pass").status([stage.run()]) == {stage.run().job_id: Status(phase=Phase.PENDING)}


def test_the_next_attempt_finds_an_empty_output(stage: Stage) -> None:
    first = stage.engine("open('output/half.dcm', 'w'); open('output/job.done', 'w'); sys.exit(1)")
    first.submit(stage.run())
    assert end_of(first, stage.run()).phase is Phase.FAILED
    second = stage.engine("print(os.listdir('output')); open('output/whole.dcm', 'w')")
    second.submit(stage.run(2))
    assert end_of(second, stage.run(2)).phase is Phase.SUCCEEDED
    second.submit(stage.run(2))
    assert second.logs(stage.run(2), 1) == "[]"
    assert {path.name for path in stage.output.iterdir()} == {"whole.dcm", "job.done"}
    assert {path.name for path in (stage.folder / "run/1/output").iterdir()} == {"half.dcm", "job.done"}


def test_a_next_attempt_that_was_cut_off_while_it_moved_the_output_is_picked_up(stage: Stage) -> None:
    (stage.output / "half.dcm").touch()
    (stage.folder / "run/1").mkdir(parents=True)
    stage.output.rename(stage.folder / "run/1/output")
    engine = stage.engine("print(os.listdir('output'))")
    engine.submit(stage.run(2))
    assert end_of(engine, stage.run(2)).phase is Phase.SUCCEEDED
    assert (stage.folder / "run/1/output/half.dcm").exists()
    assert engine.logs(stage.run(2), 1) == "[]"


def test_an_attempt_does_not_start_beside_the_one_before(stage: Stage) -> None:
    engine = stage.engine("open('started', 'a').write('x'); wait_for('go')")
    engine.submit(stage.run())
    eventually((stage.folder / "started").exists, "the start")
    engine.submit(stage.run(2))
    status = end_of(engine, stage.run(2))
    assert status.phase is Phase.FAILED
    assert "still runs" in status.reason
    assert engine.status([stage.run()])[stage.run().job_id].phase is Phase.RUNNING
    assert (stage.folder / "started").read_text() == "x"


def test_an_attempt_ends_when_the_one_after_has_started_elsewhere(stage: Stage) -> None:
    """Its machine was cut off and taken for dead: the results are those of the later one."""
    engine = stage.engine("open('started', 'w'); wait_for('go')")
    engine.submit(stage.run())
    eventually((stage.folder / "started").exists, "the start")
    (stage.folder / "run/2").mkdir()
    (stage.folder / "run/2/started.json").write_text("{}")
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "another attempt has begun elsewhere" in status.reason
    assert not (stage.folder / "output/job.done").exists()


def test_an_attempt_that_comes_late_does_not_start_beside_the_one_after(stage: Stage) -> None:
    (stage.folder / "run/2").mkdir(parents=True)
    engine = stage.engine("open('started', 'w')")
    engine.submit(stage.run())
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "another attempt" in status.reason
    assert not (stage.folder / "started").exists()


FAMILY = """
    # A child that ignores SIGTERM, its child, and a daemon in a session of its own that has let go of every file.
    def tell(name): open(name + '.part', 'w').write(f'{os.getpid()}\\n'); os.rename(name + '.part', name)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        if os.fork() == 0:
            tell('grandchild')
        elif os.fork() == 0:
            os.setsid()
            os.closerange(0, 64)
            if os.fork():
                os._exit(0)
            tell('daemon')
        else:
            tell('child')
        while True: time.sleep(60)
    tell('command')
    for name in ('child', 'grandchild', 'daemon'): wait_for(name)
"""
NAMES = ("command", "child", "grandchild", "daemon")


def test_a_time_limit_ends_everything_that_the_command_has_started(stage: Stage) -> None:
    engine = stage.engine(FAMILY + "    time.sleep(60)", timeout=3, grace=0.1)
    engine.submit(stage.run())
    pids = [stage.pid(name) for name in NAMES]
    assert all(alive(pid) for pid in pids)
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "time limit of 3 s" in status.reason
    assert [pid for pid in pids if alive(pid)] == []


@pytest.mark.parametrize("code", [0, 1])
def test_nothing_that_the_command_leaves_behind_outlives_it(stage: Stage, code: int) -> None:
    engine = stage.engine(f"{FAMILY}    sys.exit({code})")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).exit_code == code
    assert [name for name in NAMES if alive(stage.pid(name))] == []


def test_a_command_may_use_its_grace_time(stage: Stage) -> None:
    program = """
        def stop(*_): open('cleaned', 'w'); sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        open('started', 'w')
        time.sleep(60)
    """
    engine = stage.engine(program)
    engine.submit(stage.run())
    eventually((stage.folder / "started").exists, "the start")
    engine.cancel(stage.run())
    status = end_of(engine, stage.run())
    assert (status.phase, status.reason) == (Phase.FAILED, "cancelled")
    assert (stage.folder / "cleaned").exists()
    assert not (stage.output / "job.done").exists()


def test_cancelling_ends_everything_that_the_command_has_started(stage: Stage) -> None:
    engine = stage.engine(FAMILY + "    time.sleep(60)", grace=0.1)
    engine.submit(stage.run())
    pids = [stage.pid(name) for name in NAMES]
    engine.cancel(stage.run())
    engine.cancel(stage.run())
    assert end_of(engine, stage.run()).reason == "cancelled"
    assert [pid for pid in pids if alive(pid)] == []


def test_an_attempt_that_is_cancelled_before_it_is_submitted_never_starts(stage: Stage) -> None:
    engine = stage.engine("open('started', 'w')")
    engine.cancel(stage.run())
    assert "before it started" in end_of(engine, stage.run()).reason
    engine.submit(stage.run())
    eventually(lambda: not children(), "the end of every supervisor")
    assert not (stage.folder / "started").exists()


def test_a_supervisor_that_is_told_to_cancel_before_it_starts_the_command_does_not(stage: Stage) -> None:
    (stage.folder / "run/1").mkdir(parents=True)
    (stage.folder / "run/1/cancel").touch()
    engine = stage.engine("open('started', 'w')")
    engine.submit(stage.run())
    assert "before it started" in end_of(engine, stage.run()).reason
    assert not (stage.folder / "started").exists()


def test_an_attempt_that_is_cancelled_while_it_is_submitted_ends_either_way(stage: Stage) -> None:
    engine = stage.engine("time.sleep(60)", grace=0.1)
    engine.submit(stage.run())
    engine.cancel(stage.run())
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "cancelled" in status.reason


def test_cancelling_what_has_ended_changes_nothing(stage: Stage) -> None:
    engine = stage.engine("pass")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    engine.cancel(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    assert not (stage.folder / "run/1/cancel").exists()


def test_a_shutdown_that_signals_the_supervisor_ends_the_run_and_is_no_cancelling(stage: Stage) -> None:
    engine = stage.engine(FAMILY + "    time.sleep(60)", grace=0.1)
    engine.submit(stage.run())
    pids = [stage.pid(name) for name in NAMES]
    os.kill(stage.supervisor(), signal.SIGTERM)
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "SIGTERM" in status.reason
    assert [pid for pid in pids if alive(pid)] == []


def test_a_command_that_is_not_there_is_a_failure_with_a_name(stage: Stage) -> None:
    engine = replace(stage.engine(""), command=("no-such-program", "{input}"))
    engine.submit(stage.run())
    status = end_of(engine, stage.run())
    assert status.phase is Phase.FAILED
    assert "'no-such-program'" in status.reason
    assert "No such file" in status.reason


def test_a_program_is_looked_for_on_the_path_of_the_engine(stage: Stage) -> None:
    (stage.folder / "bin").mkdir()
    program = stage.folder / "bin" / "my-model"
    program.write_text("#!/bin/sh\necho model\n")
    program.chmod(0o755)
    engine = replace(stage.engine("", PATH=f"{stage.folder}/bin:/usr/bin:/bin"), command=("my-model",))
    assert engine.probe() == Healthy()
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    assert engine.logs(stage.run(), 1) == "model"


def test_the_probe_tells_what_is_missing(stage: Stage) -> None:
    assert stage.engine("").probe() == Healthy()
    absent = replace(stage.engine(""), command=("no-such-program",)).probe()
    assert isinstance(absent, Unhealthy)
    assert "'local'" in absent.why
    assert "PATH" in absent.why
    (stage.folder / "script").touch()
    not_executable = replace(stage.engine(""), command=(f"{stage.folder}/script",)).probe()
    assert isinstance(not_executable, Unhealthy)
    assert "cannot be executed" in not_executable.why


def test_what_the_command_writes_is_kept_in_order(stage: Stage) -> None:
    engine = stage.engine("print('one'); sys.stdout.flush(); print('two', file=sys.stderr); print('three')")
    assert engine.logs(stage.run(), 10) == ""
    engine.submit(stage.run())
    end_of(engine, stage.run())
    assert engine.logs(stage.run(), 10) == "one\ntwo\nthree"
    assert engine.logs(stage.run(), 1) == "three"


def test_a_running_command_can_be_watched(stage: Stage) -> None:
    engine = stage.engine("print('loading'); wait_for('go')")
    engine.submit(stage.run())
    eventually(lambda: engine.logs(stage.run(), 1) == "loading", "the line in the log")
    assert engine.status([stage.run()])[stage.run().job_id].phase is Phase.RUNNING


def test_a_flood_of_text_costs_bounded_space_and_keeps_its_end(stage: Stage) -> None:
    engine = stage.engine("for n in range(1500): print('x' * 65000, n)\nprint('the end')")
    engine.submit(stage.run())
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED
    kept = sum(path.stat().st_size for path in (stage.folder / "run/1").glob("log*"))
    assert 8 * 1024 * 1024 < kept < 17 * 1024 * 1024
    assert " 1499\nthe end\n\n[hilum] " in engine.logs(stage.run(), 4)
    assert "are not kept" in engine.logs(stage.run(), 1)


def test_closing_its_output_does_not_end_a_command(stage: Stage) -> None:
    engine = stage.engine("os.close(1); os.close(2); open('closed', 'w'); wait_for('go')")
    engine.submit(stage.run())
    eventually((stage.folder / "closed").exists, "the start")
    assert engine.status([stage.run()])[stage.run().job_id].phase is Phase.RUNNING
    (stage.folder / "go").touch()
    assert end_of(engine, stage.run()).phase is Phase.SUCCEEDED


def test_open_files_of_the_gateway_are_not_passed_on(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        os.set_inheritable(server.fileno(), True)
        engine = stage.engine(
            """
            for name in os.listdir('/proc/self/fd'):
                try: print(os.readlink('/proc/self/fd/' + name))
                except OSError: pass
            """
        )
        engine.submit(stage.run())
        end_of(engine, stage.run())
    log = engine.logs(stage.run(), 20)
    assert "socket:" not in log
    assert log.count("/lock") == 1


@pytest.fixture
def deaf_gateway() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("deaf_gateway")
def test_the_command_hears_every_signal(stage: Stage) -> None:
    engine = replace(stage.engine(""), command=("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
    engine.submit(stage.run())
    end_of(engine, stage.run())
    _, blocked, _, ignored = engine.logs(stage.run(), 5).split()
    # 32 and 33 belong to the C library, whose posix_spawn leaves them ignored.
    assert (int(blocked, 16), int(ignored, 16) & 0x7FFFFFFF) == (0, 0)


def test_supervisors_do_not_stay_as_zombies(stage: Stage) -> None:
    engine = stage.engine("pass")
    engine.submit(stage.run())
    end_of(engine, stage.run())

    def gone() -> bool:
        engine.status([])
        return not os.path.exists(f"/proc/{stage.supervisor()}")

    eventually(gone, "the end of the supervisor")
    assert stage.supervisor() not in process._supervisors


def test_each_of_many_jobs_gets_its_answer(stage: Stage) -> None:
    good, bad = Stage(stage.folder / "good"), Stage(stage.folder / "bad")
    runs = [replace(good.run(), job_id="good"), replace(bad.run(), job_id="bad")]  # type: ignore[arg-type]
    engine = stage.engine("sys.exit(os.environ['HILUM_JOB_ID'] == 'bad')")
    for run in runs:
        engine.submit(run)
    for run in runs:
        end_of(engine, run)
    assert {name: status.phase for name, status in engine.status(runs).items()} == {
        "good": Phase.SUCCEEDED,
        "bad": Phase.FAILED,
    }


def test_a_job_without_its_folder_can_never_run(stage: Stage) -> None:
    engine = stage.engine("pass")
    run = replace(stage.run(), folder=stage.folder / "gone")
    with pytest.raises(PermanentError, match="gone"):
        engine.submit(run)
    engine.cancel(run)
    assert engine.status([run])[run.job_id].phase is Phase.PENDING
    assert engine.logs(run, 10) == ""
    assert not run.folder.exists()


def test_a_folder_that_cannot_be_used_is_a_matter_for_later(stage: Stage) -> None:
    (stage.folder / "run").touch()
    engine = stage.engine("pass")
    with pytest.raises(TemporaryError, match="'local'"):
        engine.submit(stage.run())


def test_a_command_that_cannot_be_a_command_never_runs(stage: Stage) -> None:
    with pytest.raises(PermanentError, match="'local'"):
        replace(stage.engine(""), command=("true", "a\0b")).submit(stage.run())


def test_a_damaged_record_is_a_lost_run_and_not_a_crash(stage: Stage) -> None:
    engine = stage.engine("pass")
    engine.submit(stage.run())
    end_of(engine, stage.run())
    (stage.folder / "run/1/exit.json").write_text("{")
    status = end_of(engine, stage.run())
    assert status.phase is Phase.LOST
    assert "damaged" in status.reason


def test_a_time_limit_of_parts_of_a_second_is_kept(stage: Stage) -> None:
    engine = replace(stage.engine("time.sleep(60)"), timeout=timedelta(milliseconds=300))
    engine.submit(stage.run())
    assert "0.3 s" in end_of(engine, stage.run()).reason
