"""The http engine against a platform that works, one that does not, and one that forgets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from harness.authority import Authority
from harness.hook import Hook, status
from harness.platform import Fault, Job, Platform
from harness.ports import free_port
from hilum.engine import http
from hilum.engine.http import Files, HttpEngine
from hilum.engine.port import Engine, Healthy, Phase, Run, Status, Unhealthy, UnwellError
from hilum.errors import PermanentError, TemporaryError
from hilum.exchange import Server
from hilum.model import JobId

ID = "a1" * 16
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as started:
        yield started


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "payloads" / "scp-ct-20261122081500-9f3c21ab"
    (folder / "input").mkdir(parents=True)
    (folder / "output").mkdir()
    (folder / "input" / "1.2.3.dcm").write_bytes(b"first")
    (folder / "input" / "1.2.4.dcm").write_bytes(b"second input")
    told = {"called-ae-title": "SCP", "calling-ae-title": "CT1", "source-address": "10.0.0.5", "grouped-by": "study"}
    (folder / "job.json").write_text(json.dumps({**told, "destinations": ["PACS"]}))
    return Run(
        job_id=JobId(ID), job_name=folder.name, folder=folder, workflow="lungs-v1", workflow_name="ct", attempt=1
    )


def engine(url: str, files: Files = Files.SHARED, *, timeout: float = 30, **more: Any) -> HttpEngine:
    server = {key: more.pop(key) for key in ("authorization", "authorities") if key in more}
    secret = more.pop("secret", None)
    told = Server(url=url, timeout=timeout, **server)
    platform = http.Platform(name="gpu", server=told, secret=secret, clock=lambda: NOW)
    return HttpEngine(platform=platform, files=files, **more)


def phase(engine: Engine, run: Run) -> Status:
    return engine.status([run])[run.job_id]


def succeed(job: Job) -> None:
    job.stage = "succeeded"


def test_a_job_is_created_started_and_finished(platform: Platform, run: Run) -> None:
    platform.token = "let-me-in"
    one = engine(platform.url, authorization="Bearer let-me-in")
    assert one.submit(run) == f"{ID}-1"
    assert phase(one, run) == Status(phase=Phase.RUNNING)
    (run.folder / "output" / "result.dcm").write_bytes(b"result")  # by way of the shared folder
    platform.jobs[f"{ID}-1"].stage = "succeeded"
    assert phase(one, run) == Status(phase=Phase.SUCCEEDED)
    assert not (run.folder / "output" / "job.done").exists()
    assert one.collect(run) == Status(phase=Phase.SUCCEEDED)
    assert (run.folder / "output" / "job.done").is_file()
    assert platform.started == [f"{ID}-1"]


def test_the_platform_is_told_what_to_work_on(platform: Platform, run: Run) -> None:
    engine(platform.url, payloads=run.folder.parent, there=Path("/mnt/hilum")).submit(run)
    assert platform.jobs[f"{ID}-1"].description == {
        "job": ID,
        "name": "scp-ct-20261122081500-9f3c21ab",
        "attempt": 1,
        "workflow": "lungs-v1",
        "workflow-name": "ct",
        "called-ae-title": "SCP",
        "calling-ae-title": "CT1",
        "source-address": "10.0.0.5",
        "grouped-by": "study",
        "files": "shared",
        "folder": "/mnt/hilum/scp-ct-20261122081500-9f3c21ab",
        "inputs": [
            {"path": "1.2.3.dcm", "size": 5, "sha256": hashlib.sha256(b"first").hexdigest()},
            {"path": "1.2.4.dcm", "size": 12, "sha256": hashlib.sha256(b"second input").hexdigest()},
        ],
    }
    assert platform.requests[0].headers["idempotency-key"] == f"{ID}-1"


def test_a_folder_that_hilum_did_not_make_has_less_to_tell(platform: Platform, run: Run) -> None:
    (run.folder / "job.json").unlink()
    engine(platform.url).submit(run)
    described = platform.jobs[f"{ID}-1"].description
    assert "called-ae-title" not in described
    assert described["folder"] == str(run.folder)


def test_files_go_and_come_by_http(platform: Platform, run: Run) -> None:
    one = engine(platform.url, Files.HTTP)
    one.submit(run)
    job = platform.jobs[f"{ID}-1"]
    assert job.description["folder"] is None
    assert job.inputs == {"1.2.3.dcm": b"first", "1.2.4.dcm": b"second input"}
    job.outputs = {"seg.dcm": b"segmentation", "more/report 1.dcm": b"report", "job.done": b""}
    job.stage = "succeeded"
    assert phase(one, run).phase is Phase.SUCCEEDED
    assert one.collect(run) == Status(phase=Phase.SUCCEEDED)
    output = run.folder / "output"
    assert (output / "seg.dcm").read_bytes() == b"segmentation"
    assert (output / "more" / "report 1.dcm").read_bytes() == b"report"
    assert (output / "job.done").is_file()


def test_what_has_arrived_is_not_sent_or_fetched_again(platform: Platform, run: Run) -> None:
    one = engine(platform.url, Files.HTTP)
    platform.faults = deque([Fault.NONE, Fault.NONE, Fault.REFUSED])  # the second input
    with pytest.raises(UnwellError):
        one.submit(run)
    one.submit(run)
    sent = [request.path for request in platform.requests if "/input/" in request.path]
    assert [path.rpartition("/")[2] for path in sent] == ["1.2.3.dcm", "1.2.4.dcm", "1.2.4.dcm"]
    job = platform.jobs[f"{ID}-1"]
    job.outputs = {"a.dcm": b"first result", "b.dcm": b"second result"}
    job.stage = "succeeded"
    platform.faults = deque([Fault.NONE, Fault.NONE, Fault.CUT])
    with pytest.raises(TemporaryError):
        one.collect(run)
    assert not (run.folder / "output" / "job.done").exists()
    assert one.collect(run).phase is Phase.SUCCEEDED
    fetched = [request.path.rpartition("/")[2] for request in platform.requests if "/output/" in request.path]
    assert fetched == ["a.dcm", "b.dcm", "b.dcm"]
    assert (run.folder / "output" / "b.dcm").read_bytes() == b"second result"
    assert sorted(path.name for path in (run.folder / "output").iterdir()) == ["a.dcm", "b.dcm", "job.done"]


def test_a_result_that_is_not_what_was_listed_is_not_taken(hook: Hook, run: Run) -> None:
    listed = {"files": [{"path": "a.dcm", "size": 3, "sha256": "0" * 64}]}
    hook.answer = lambda handler: status(200, b"abc" if "a.dcm" in handler.path else json.dumps(listed).encode())(
        handler
    )
    (run.folder / "run" / "1").mkdir(parents=True)
    with pytest.raises(TemporaryError, match=r"a\.dcm .* did not arrive as the platform listed it"):
        engine(hook.url, Files.HTTP).collect(run)
    assert list((run.folder / "output").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([{"path": "../../escape", "size": 1, "sha256": "0" * 64}], "without '..'"),
        ([{"path": "/etc/passwd", "size": 1, "sha256": "0" * 64}], "below output/"),
        ([{"path": "a//b", "size": 1, "sha256": "0" * 64}], "below output/"),
        ([{"path": "a\nb", "size": 1, "sha256": "0" * 64}], "below output/"),
        ([{"path": "a" * 256, "size": 1, "sha256": "0" * 64}], "below output/"),
        ([{"path": "a", "size": -1, "sha256": "0" * 64}], "expected 0 to"),
        ([{"path": "a", "size": 10**18, "sha256": "0" * 64}], "expected 0 to"),
        ([{"path": "a", "size": True, "sha256": "0" * 64}], "expected 0 to"),
        ([{"path": "a", "size": 1, "sha256": "xyz"}], "64 hexadecimal digits"),
        ([{"path": "a", "size": 1, "sha256": "0" * 64}] * 2, "listed twice"),
        ([{"path": name, "size": 1, "sha256": "0" * 64} for name in ("a", "a/b")], "lies below a file"),
        ([5], "is not a file"),
        ("no", "'files' is not a list"),
    ],
)
def test_a_list_of_results_that_must_not_be_taken_is_the_end_of_the_attempt(
    hook: Hook, run: Run, files: object, why: str
) -> None:
    hook.answer = status(200, json.dumps({"files": files}).encode())
    found = engine(hook.url, Files.HTTP).collect(run)
    assert found.phase is Phase.FAILED
    assert why in found.reason
    assert found.reason.isprintable()


def test_job_done_that_is_no_file_is_no_success(platform: Platform, run: Run) -> None:
    (run.folder / "output" / "job.done").mkdir()
    found = engine(platform.url).collect(run)
    assert found.phase is Phase.FAILED
    assert "job.done cannot be written" in found.reason


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("created", Phase.PENDING),
        ("queued", Phase.RUNNING),
        ("running", Phase.RUNNING),
        ("succeeded", Phase.SUCCEEDED),
        ("failed", Phase.FAILED),
        ("cancelled", Phase.FAILED),
    ],
)
def test_stages_are_told_in_the_words_of_engines(platform: Platform, run: Run, stage: str, expected: Phase) -> None:
    one = engine(platform.url)
    one.submit(run)
    platform.jobs[f"{ID}-1"].stage = stage
    platform.jobs[f"{ID}-1"].reason = "as\x1b[2J told"
    found = phase(one, run)
    assert (found.phase, found.reason) == (expected, "as [2J told")


def test_many_jobs_are_asked_about_at_once(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    runs = [replace(run, job_id=JobId(f"{number:032x}")) for number in range(1, 1202)]
    one.submit(runs[0])
    found = one.status(runs)
    assert [request.path for request in platform.requests].count("/api/status") == 3
    assert len(found) == 1201
    assert found[runs[0].job_id].phase is Phase.RUNNING
    assert found[runs[1200].job_id].phase is Phase.LOST


def test_a_platform_that_forgot_has_lost_the_job_and_is_not_given_the_same_attempt_again(
    platform: Platform, run: Run
) -> None:
    one = engine(platform.url)
    one.submit(run)
    platform.forget()
    found = phase(one, run)
    assert found.phase is Phase.LOST
    assert "does not know the job any more" in found.reason
    one.submit(run)
    assert platform.jobs == {}
    again = replace(run, attempt=2)
    one.submit(again)
    assert platform.started == [f"{ID}-1", f"{ID}-2"]
    assert phase(one, again).phase is Phase.RUNNING


def test_a_platform_that_forgets_between_creation_and_start_has_lost_it(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    platform.faults = deque([Fault.NONE, Fault.RESTART])
    one.submit(run)
    assert platform.started == []
    assert phase(one, run).phase is Phase.LOST


def test_a_job_that_was_done_before_it_was_forgotten_is_done(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    one.submit(run)
    (run.folder / "output" / "job.done").touch()
    platform.forget()
    assert phase(one, run).phase is Phase.SUCCEEDED
    assert phase(engine(platform.url, Files.HTTP), run).phase is Phase.LOST, "the results are still there"


def test_the_next_attempt_finds_an_empty_output(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    one.submit(run)
    (run.folder / "output" / "half.dcm").touch()
    one.submit(replace(run, attempt=2))
    assert list((run.folder / "output").iterdir()) == []
    assert (run.folder / "run/1/output/half.dcm").exists()


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.CUT, Fault.GARBAGE, Fault.WRONG, Fault.TWICE])
@pytest.mark.parametrize("step", [0, 1])
def test_an_answer_that_is_lost_after_the_work_was_done_starts_nothing_twice(
    platform: Platform, run: Run, fault: Fault, step: int
) -> None:
    one = engine(platform.url)
    platform.faults = deque([Fault.NONE] * step + [fault])
    if fault is not Fault.TWICE:
        with pytest.raises(UnwellError):
            one.submit(run)
    one.submit(run)
    one.submit(run)
    assert platform.started == [f"{ID}-1"]
    assert phase(one, run).phase is Phase.RUNNING


def test_inputs_are_read_once_for_all_attempts(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    one.submit(run)
    known = json.loads((run.folder / "run/inputs.json").read_text())
    known["1.2.3.dcm"][2] = "f" * 64
    (run.folder / "run/inputs.json").write_text(json.dumps(known))
    (run.folder / "input" / "1.2.4.dcm").write_bytes(b"changed, and longer")
    one.submit(replace(run, attempt=2))
    sums = {one["path"]: one["sha256"] for one in platform.jobs[f"{ID}-2"].description["inputs"]}
    assert sums == {"1.2.3.dcm": "f" * 64, "1.2.4.dcm": hashlib.sha256(b"changed, and longer").hexdigest()}


def test_another_job_under_the_key_is_for_ever(platform: Platform, run: Run) -> None:
    platform.jobs[f"{ID}-1"] = Job({"another": "one"})
    with pytest.raises(PermanentError, match="another job has this key: it has the key with other content"):
        engine(platform.url).submit(run)
    assert platform.started == []


def test_a_job_whose_folder_is_gone_can_never_run(platform: Platform, run: Run) -> None:
    gone = replace(run, folder=run.folder.with_name("gone"))
    with pytest.raises(PermanentError, match="is gone"):
        engine(platform.url).submit(gone)
    assert platform.requests == []


def test_a_cancelled_job_does_not_run(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    one.submit(run)
    one.cancel(run)
    one.cancel(run)
    assert phase(one, run) == Status(phase=Phase.FAILED, reason="cancelled")
    one.submit(run)
    assert platform.started == [f"{ID}-1"]
    assert platform.jobs[f"{ID}-1"].stage == "cancelled"


def test_cancelling_what_the_platform_does_not_know_is_no_error(platform: Platform, run: Run) -> None:
    engine(platform.url).cancel(run)
    with pytest.raises(UnwellError, match="the platform API is not there"):
        engine(platform.url.replace("/api", "/elsewhere")).cancel(run)


def test_the_end_of_the_log_is_fetched(platform: Platform, run: Run) -> None:
    one = engine(platform.url)
    assert one.logs(run, 10) == ""
    one.submit(run)
    platform.jobs[f"{ID}-1"].log = "one\ntwo\nthr\x1b[31mee\n"
    assert one.logs(run, 2) == "two\nthree"
    assert "cannot be reached" in engine(f"http://127.0.0.1:{free_port()}/").logs(run, 2)


def test_the_probe_tells_what_is_wrong(platform: Platform, hook: Hook) -> None:
    assert engine(platform.url).probe() == Healthy()
    hook.answer = status(200, b'{"platform-api": "2"}')
    other = engine(hook.url).probe()
    assert isinstance(other, Unhealthy)
    assert "'platform-api' is '2', expected '1'" in other.why
    away = engine(f"http://127.0.0.1:{free_port()}/").probe()
    assert isinstance(away, Unhealthy)
    assert "cannot be reached: Connection refused; is it running, is the address right?" in away.why


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (401, UnwellError, "it does not accept the token; correct engines.gpu.token"),
        (403, UnwellError, "correct engines.gpu.token and engines.gpu.secret"),
        (404, UnwellError, "the platform API is not there; correct engines.gpu.url"),
        (307, UnwellError, "redirects are not followed; write the address itself; correct engines.gpu.url"),
        (409, PermanentError, "it has the key with other content"),
        (413, PermanentError, "more than it takes"),
        (422, PermanentError, "it refuses the job"),
        (429, UnwellError, "it is busy"),
        (500, UnwellError, "a fault of the platform; see its log"),
        (502, UnwellError, "a fault of the platform"),
        (503, UnwellError, "it is busy"),
    ],
)
def test_a_refusal_says_whose_fault_it_is_and_what_to_do(
    hook: Hook, run: Run, code: int, kind: type[Exception], words: str
) -> None:
    hook.answer = status(code, b'{"title": "no", "detail": "in\\nother words"}')
    with pytest.raises(kind) as raised:
        engine(hook.url, authorization="Bearer let-me-in", secret="sign-it").submit(run)
    said = str(raised.value)
    assert words in said
    assert said.startswith(f"engine 'gpu', the platform at {hook.url}, answered {code}")
    assert code < 400 or "in other words" in said
    assert "let-me-in" not in said
    assert "sign-it" not in said


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(seconds=1)),
        ("99999999", timedelta(hours=1)),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), timedelta(seconds=90)),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), timedelta(seconds=1)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_a_platform_may_ask_to_be_left_in_peace(
    hook: Hook, run: Run, code: int, header: str, wait: timedelta | None
) -> None:
    hook.answer = status(code, **{"Retry-After": header})
    with pytest.raises(UnwellError) as raised:
        engine(hook.url).submit(run)
    assert raised.value.retry_after == wait


def test_a_platform_that_drips_costs_its_time(platform: Platform, run: Run) -> None:
    platform.faults = deque([Fault.SLOW])
    with pytest.raises(UnwellError, match=r"the answer did not end within 0\.5 s"):
        engine(platform.url, timeout=0.5).status([run])


def test_an_answer_without_end_is_not_read_to_it(hook: Hook, run: Run) -> None:
    hook.answer = status(200, b" " * (33 * 1024 * 1024))
    with pytest.raises(UnwellError, match="the answer has more than 33554432 bytes; a fault of the platform"):
        engine(hook.url).status([run])


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"jobs": {}},
        {"jobs": []},
        {"jobs": [5]},
        {"jobs": [{"key": f"{ID}-1"}]},
        {"jobs": [{"key": f"{ID}-1", "stage": "exploded"}]},
        {"jobs": [{"key": f"{ID}-1", "stage": ["created"]}]},
        {"jobs": [{"key": f"{ID}-1", "stage": "failed", "reason": 5}]},
        {"jobs": [{"key": f"{ID}-1", "stage": "failed", "exit-code": "5"}]},
        {"jobs": [{"key": f"{ID}-1", "stage": "created", "missing": [5]}]},
        {"jobs": [{"key": [], "stage": "created"}]},
    ],
)
def test_json_of_something_else_is_a_fault_of_the_platform(hook: Hook, run: Run, document: object) -> None:
    hook.answer = status(200, json.dumps(document).encode())
    with pytest.raises(UnwellError, match=r"its answer is not what the platform API says: .*; a fault of the platform"):
        engine(hook.url).status([run])


def test_requests_are_signed_if_there_is_a_secret(platform: Platform, run: Run) -> None:
    one = engine(platform.url, Files.HTTP, secret="key of all")
    one.submit(run)
    one.status([run])
    one.logs(run, 3)
    assert len(platform.requests) == 6
    for request in platform.requests:
        identity = f"{request.method} {request.path.removeprefix('/api')}"
        assert request.headers["webhook-id"] == identity
        assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
        text = f"{identity}.{int(NOW.timestamp())}.".encode() + request.body
        mac = base64.b64encode(hmac.new(b"key of all", text, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{mac}"
    assert "key of all" not in repr(one)


def test_a_platform_is_verified(authority: Authority, run: Run) -> None:
    with Platform(tls=authority.server) as platform:
        with pytest.raises(UnwellError, match="certificate is not trusted"):
            engine(platform.url).submit(run)
        engine(platform.url, authorities=authority.file).submit(run)
        assert platform.started == [f"{ID}-1"]
