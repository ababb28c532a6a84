"""The faults of Hilum's relatives, each as a test that would find it here.

MIG is the MONAI Deploy Informatics Gateway, the open successor of the Clara DICOM Adapter.

========== ================================================================ ===========================================
fault      what went wrong there                                            what would find it here
========== ================================================================ ===========================================
MIG 1      after a rejection the association was accepted all the same      test_endpoint: a16
MIG 2      one study to two AE titles was merged                            test_jobs: b8
MIG 3      an instance that came while a group closed was lost              test_jobs: b7
MIG 4      what could not be moved on after success was dropped             below
MIG 5      queued work was lost in a crash                                  test_jobs: b11; test_scu: c5
MIG 6      a job that could not be started was deleted                      below
MIG 7      the last permitted try that succeeded counted as failed          below, for jobs and for deliveries
MIG 8      one association for each file, all sent again after a failure    test_scu: c6, c2 (abort)
MIG 9      a peer that never answered hung a worker for ever                below; test_scu: c2
MIG 10     work beyond the number of workers was thrown away                below
MIG 11     HL7 messages were acknowledged before they were kept             cannot be: Hilum speaks no HL7
MIG 12     instances with contradicting UIDs were dropped in silence        below
MIG 13     no grouping attribute: refused; an abort had no effect           test_jobs: b10, b2
MIG 14     lack of room was answered in different ways                      test_endpoint: a15, all three
MIG 15     de-identification left identity in sequences and pixels          cannot be: Hilum changes no data set
MIG 16     a negative answer counted as delivered (there: of HL7)           below, for C-STORE
mercure 1  success before the instance was read; unreadable ones looped     below, on the way in and on disk
mercure 2  anybody could send as much as they liked                         test_endpoint: a2, a4, a9
mercure 3  a crash left half-written files behind that broke later work     below
mercure 4  locks that a crash left were never cleared                       below
mercure 5  studies that took longer than 90 minutes were discarded          below
mercure 6  work whose rule was renamed or removed was never done            below, for groups, jobs and deliveries
mercure 7  one odd item stopped the loop for all                            below, for groups and deliveries
mercure 8  a failed delivery could not be sent again by hand                below
mercure 9  waits and attempts were not those configured; nobody was told    test_scu: c2 (further and further apart)
mercure 10 a full disk removed results of any age; some folders never       below
mercure 11 repeated instances were kept twice                               test_jobs: b9
mercure 12 all files were looked at again every second                      cannot be: timers are columns of the ledger,
                                                                            and of job folders only names are read
========== ================================================================ ===========================================
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from acceptance.files import content, everything_in, tree
from acceptance.outbox import closed_port, finished, results, sends_to, wait_for_deliveries
from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.raw_peer import RawPeer, data_set, store_rq
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import TemporaryError
from hilum.ledger.rows import AnyRow
from hilum.model import Answer, StoreRequest
from hilum.store.shared import MARK

MakeSite = Callable[..., Site]

COPY = 'cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/'
SUCCESS = Answer(status=0x0000)
CANNOT_UNDERSTAND = Answer(status=0xC000)


def runs(script: str, *, attempts: int = 1, **ae: Any) -> dict[str, Any]:
    """A configuration with one workflow that runs a shell script; more keys of its AE title."""
    return {
        "dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM"} | {k.replace("_", "-"): v for k, v in ae.items()}]}},
        "workflows": [{"name": "one", "clara-ae-title": "HILUM", "engine": "shell"}],
        "engines": {"shell": {"type": "process", "command": ["sh", "-c", script], "attempts": attempts}},
    }


def hilum(site: Site, *arguments: str) -> None:
    """A command of an operator."""
    command = [sys.executable, "-m", "hilum", *arguments, "--config", str(site.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def reload(site: Site, keys: dict[str, Any]) -> None:
    """Change the configuration and wait until it counts."""
    before = len(site.history(machine="config", event="reloaded"))
    site.configure(keys)
    eventually(lambda: site.history(machine="config", event="reloaded")[before:], what="the reload")


def input_uids(site: Site, job: AnyRow) -> list[str]:
    return sorted(path.stem for path in site.inputs(job))


def uids(*paths: Path) -> list[str]:
    return sorted(path.stem for path in paths)


# MIG


def test_mig_4_instances_whose_job_folder_cannot_be_made_stay_until_it_can(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 3)
    with make_site(runs(COPY), clock=clock) as site:
        (site.payloads / MARK).unlink()
        site.payloads.rmdir()
        site.payloads.write_text("in the way")
        assert {answer.status for answer in send(site.port, *files)} == {0}
        [group] = eventually(lambda: [row for row in site.rows("groups") if row.why], what="the reason")
        assert group.state == "closed"
        assert str(site.payloads) in group.why
        assert len(list(site.spool.rglob("*.dcm"))) == len(files)
        site.payloads.unlink()
        site.payloads.mkdir()
        clock.move(60)
        [job] = site.wait_for_jobs(1)
        assert input_uids(site, job) == uids(*files)


def test_mig_6_a_job_that_failed_for_good_keeps_its_input_and_runs_again_when_asked(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 2)
    mended = tmp_path / "mended"
    with make_site(runs(f"test -e {mended} && {COPY}")) as site:
        send(site.port, *files)
        [job] = site.wait_for_jobs(1, "failed")
        assert input_uids(site, job) == uids(*files)
        [line] = site.history(machine="job", to_state="failed")
        assert "hilum retry" in line.remedy
        mended.touch()
        hilum(site, "retry", job.name)
        [job] = site.wait_for_jobs(1)
        assert sorted(path.stem for path in Path(job.folder, "output").glob("*.dcm")) == uids(*files)


def test_mig_7_the_last_permitted_attempt_of_a_job_counts_if_it_succeeds(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    count = tmp_path / "count"
    third = f"echo run >> {count}; test $(wc -l < {count}) -ge 3 && {COPY}"
    with make_site(runs(third, attempts=3), clock=clock) as site:
        send(site.port, make_instance(tmp_path / "a"))
        for failed in (1, 2):
            eventually(lambda: site.history(event="attempt failed")[failed - 1 :], what="a failed attempt")  # noqa: B023
            clock.move(60)
        site.wait_for_jobs(1)
        assert count.read_text() == "run\n" * 3


def test_mig_7_the_last_permitted_attempt_of_a_delivery_counts_if_it_succeeds(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    pacs.answer = lambda _: CANNOT_UNDERSTAND if len(pacs.arrived) < 2 else SUCCESS
    with make_site(sends_to(pacs.destination)) as site:
        finished(site, make_instance(tmp_path / "a"))
        site.wait_for_jobs(1)
        [row] = site.rows("deliveries")
        assert (row.state, row.attempts) == ("delivered", 3)


def test_mig_9_a_destination_that_never_answers_holds_up_no_other(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 4)
    over = threading.Event()

    def hang(_request: StoreRequest) -> Answer:
        over.wait(60)
        return SUCCESS

    # The healthy one may have to wait for the end of the others' time, not longer.
    slow = {"timeouts": {"dimse": 0.5}, "retry": {"waits": [1]}}
    with Pacs("DEAF", answer=hang) as deaf, make_site(sends_to(deaf.destination, pacs.destination, **slow)) as site:
        for number, path in enumerate(files):
            finished(site, path, name=f"job{number}")
        try:
            eventually(lambda: len(pacs.accepted) == len(files), what="everything at the healthy one")
            assert deaf.arrived == []
        finally:
            over.set()
        site.wait_for_jobs(len(files))


def test_mig_10_jobs_beyond_the_number_of_associations_wait_for_their_turn(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 6)
    two = threading.Barrier(2)

    def answer(_request: StoreRequest) -> Answer:
        two.wait(20)
        return SUCCESS

    pacs.answer = answer
    with make_site(sends_to(pacs.destination, **{"max-associations": 2})) as site:
        for number, path in enumerate(files):
            finished(site, path, name=f"job{number}")
        site.wait_for_jobs(len(files))
        assert {row.attempts for row in site.rows("deliveries")} == {1}
    assert len(pacs.accepted) == len(files)


def test_mig_12_an_instance_whose_uids_contradict_is_refused_and_told(make_site: MakeSite, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "a")
    with make_site(runs(COPY)) as site:
        with RawPeer.connect(site.port) as peer:
            peer.associate()
            peer.send(store_rq("1.2.3.4"), data_set(content(path)))
            assert peer.status() == 0xA900
            peer.release()
        [line] = eventually(lambda: site.history(machine="instance", event="refused"), what="the line")
        assert line.subject == "1.2.3.4"
        assert "A900H" in line.why
        assert line.remedy
        assert not [name for name in tree(site.folder) if name.endswith((".dcm", ".part"))]


def test_mig_16_no_answer_but_success_and_warning_counts_as_delivered(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    refusals = [0x0110, 0x0117, 0x0122, 0x0124, 0x0210, 0xA700, 0xA900, 0xC000, 0xFE00, 0xFF00, 0xFF01]
    files = make_series(tmp_path / "a", len(refusals))
    says = {path.stem: status for path, status in zip(files, refusals, strict=True)}
    pacs.answer = lambda request: Answer(status=says[request.sop_instance])
    with make_site(sends_to(pacs.destination, retry={"waits": [3600]})) as site:
        # Where there is no room nothing else is sent for a while: that one comes last.
        full = refusals.index(0xA700)
        finished(site, *files[:full], *files[full + 1 :], name="refused")
        wait_for_deliveries(site, attempts=1)
        finished(site, files[full], name="no-room")
        eventually(lambda: len(site.rows("deliveries", attempts=1)) == len(files), what="an answer to each")
        rows = site.rows("deliveries")
        assert {row.state for row in rows} == {"due"}
        assert sorted(row.status for row in rows) == sorted(refusals)
        assert all(f"{row.status:04X}H" in row.why for row in rows)


# mercure


def test_mercure_1_an_instance_that_cannot_be_read_is_not_answered_with_success(
    make_site: MakeSite, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "a")
    whole = content(path)
    with make_site(runs(COPY)) as site:
        with RawPeer.connect(site.port) as peer:
            peer.associate()
            for broken in (whole[:-10], b"no data set at all", b"", bytes(3000)):
                peer.send(store_rq(path.stem), data_set(broken))
                assert peer.status() & 0xF000 in {0xA000, 0xC000}
            assert not [name for name in tree(site.spool) if name.endswith((".dcm", ".part"))]
            peer.send(store_rq(path.stem), data_set(whole))
            assert peer.status() == 0
            peer.release()
        [job] = site.wait_for_jobs(1)
        assert [content(one) for one in site.inputs(job)] == [whole]
        assert len(site.history(machine="instance", event="refused")) == 4


def test_mercure_1_a_file_that_was_damaged_on_disk_is_put_aside_once(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 2)
    site = make_site(runs(COPY, aborted_associations="accept"))
    with GatewayProcess(site) as gateway, association(gateway.port, files) as open_one:
        for path in files:
            assert store(open_one, path).status == 0
        gateway.kill()
    [damaged] = site.spool.rglob("1.dcm")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    for _ in range(2):
        with site:
            [job] = site.wait_for_jobs(1)
            assert input_uids(site, job) == [files[1].stem]
            [line] = site.history(event="quarantined")
            assert "damaged" in line.why
            kept = tree(site.spool / "quarantine")
            assert len([name for name in kept if name.endswith(".dcm")]) == 1


def test_mercure_3_what_a_crash_left_half_written_stops_nothing(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 2)
    site = make_site(runs(COPY))
    association_folder = site.spool / "20260101T000000000000-deadbeef"
    association_folder.mkdir(parents=True)
    (association_folder / "association.json").touch()
    (association_folder / "1.part").write_bytes(b"half")
    building = site.payloads / ".building-hilum-one-20260101000000-deadbeef"
    (building / "input").mkdir(parents=True)
    (building / "job.json").touch()
    half_made = results(site, files[0], name="half-made")
    (half_made.parent / "job.meta").write_text("")
    (half_made.parent / ".receipt.json.part").write_text('{"job"')
    (half_made / "job.done").touch()
    with site:
        assert {answer.status for answer in send(site.port, *files)} == {0}
        [job] = site.wait_for_jobs(1)
        assert input_uids(site, job) == uids(*files)
        assert (eventually(lambda: site.history(event="not adopted"), what="the reason"))[0].why
        assert (half_made / "job.error").read_text()
        # A configuration of which only the beginning was written is not taken.
        site.path.write_text(site.path.read_text()[:-20] + "\n  - [")
        eventually(lambda: site.history(machine="config", event="refused"), what="the refusal")
        assert {answer.status for answer in send(site.port, *files)} == {0}
        site.wait_for_jobs(2)


def test_mercure_4_a_job_that_ran_when_the_gateway_was_killed_goes_on_and_runs_once(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "a", 2)
    count, go = tmp_path / "count", tmp_path / "go"
    site = make_site(runs(f"echo run >> {count}; until test -e {go}; do sleep 0.05; done; {COPY}", attempts=3))
    with GatewayProcess(site) as gateway:
        send(gateway.port, *files)
        eventually(count.exists, what="the run")
        gateway.kill()
    with site:
        go.touch()
        [job] = site.wait_for_jobs(1)
        assert sorted(path.stem for path in Path(job.folder, "output").glob("*.dcm")) == uids(*files)
        assert count.read_text() == "run\n"


def test_mercure_5_a_study_that_takes_hours_is_one_job(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 8)
    with make_site(runs(COPY, timeout=2000, timeout_group="Study"), clock=clock) as site:
        for path in files:
            assert [answer.status for answer in send(site.port, path)] == [0]
            clock.move(1900)
        clock.move(200)
        [job] = site.wait_for_jobs(1)
        assert input_uids(site, job) == uids(*files)


def test_mercure_6_a_group_whose_workflow_is_gone_is_kept_and_can_be_given_to_the_next(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 2)
    keys = runs(COPY, timeout=60)
    with make_site(keys, clock=clock) as site:
        send(site.port, *files)
        reload(site, keys | {"workflows": []})
        clock.move(70)
        [group] = eventually(lambda: site.rows("groups", state="stored only"), what="a group that is stored only")
        [line] = site.history(machine="group", to_state="stored only")
        assert f"hilum retry group:{group.id}" in line.remedy
        renamed = keys["workflows"][0] | {"name": "renamed"}
        reload(site, keys | {"workflows": [renamed]})
        hilum(site, "retry", f"group:{group.id}")
        [job] = site.wait_for_jobs(1)
        assert job.workflow_name == "renamed"
        assert input_uids(site, job) == uids(*files)


def test_mercure_6_a_job_whose_workflow_is_gone_ends_as_it_began(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "a")
    keys = sends_to(pacs.destination)
    with make_site(keys) as site:
        send(site.port, path)
        [job] = site.wait_for_jobs(1, "running")
        reload(site, keys | {"workflows": []})
        output = Path(job.folder) / "output"
        (output / "result.dcm").write_bytes(path.read_bytes())
        (output / "job.done").touch()
        site.wait_for_jobs(1)
    assert [one.request.sop_instance for one in pacs.accepted] == [path.stem]


def test_mercure_6_a_delivery_whose_destination_is_gone_waits_for_its_return(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    keys = sends_to(pacs.destination)
    path = make_instance(tmp_path / "a")
    with closed_port() as port, make_site(sends_to(pacs.destination | {"port": port})) as site:
        finished(site, path)
        eventually(lambda: site.rows("destinations", state="down"), what="an attempt")
        reload(site, {"workflows": []})
        eventually(lambda: "any more" in site.rows("destinations")[0].why, what="the reason")
        assert [row.state for row in site.rows("deliveries")] == ["due"]
        reload(site, keys)
        site.wait_for_jobs(1)
    assert [one.request.sop_instance for one in pacs.accepted] == [path.stem]


PROCESSOR = """
from hilum.job.policy import plan

class Picky:
    def plan(self, group, workflows):
        if group.key == "ODD":
            raise KeyError("nobody thought of this")
        return plan(group, workflows)
"""


def test_mercure_7_a_group_that_a_processor_cannot_cope_with_stops_no_other(
    make_site: MakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hands()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "picky_of_acceptance.py").write_text(PROCESSOR)
    monkeypatch.syspath_prepend(tmp_path / "code")
    patients = ["A", "ODD", "B"]
    files = {name: make_instance(tmp_path / "a", patient=name) for name in patients}
    keys = runs(COPY, timeout_group="Patient", processors=["picky_of_acceptance:Picky"])
    with make_site(keys, clock=clock) as site:
        send(site.port, *files.values())
        jobs = site.wait_for_jobs(2)
        assert sorted(input_uids(site, job)[0] for job in jobs) == uids(files["A"], files["B"])

        def parked() -> Sequence[AnyRow]:
            """Put the clock forward whenever the group waits for its next try."""
            if any(
                row.lease_owner is None and row.not_before and row.not_before > clock()
                for row in site.rows("groups", state="closed")
            ):
                clock.move(60)
            return site.rows("groups", state="parked")

        [group] = eventually(parked, what="a parked group")
        [line] = site.history(machine="group", to_state="parked")
        assert "KeyError" in line.why
        assert f"hilum retry group:{group.id}" in line.remedy
        assert len(list(site.spool.rglob("*.dcm"))) >= 1
        send(site.port, make_instance(tmp_path / "b", patient="C"))
        site.wait_for_jobs(3)


def test_mercure_7_a_result_that_is_gone_stops_no_other(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 3)
    with closed_port() as port:
        pacs = Pacs(port=port)
        site = make_site(sends_to(pacs.destination))
        site.start()
        output = finished(site, *files[:2], name="one")
        finished(site, files[2], name="two")
        eventually(lambda: len(site.rows("deliveries")) == 3, what="three deliveries")
        (output / files[0].name).unlink()
    with pacs:
        site.wait_for_jobs(2)
        assert uids(*files[1:]) == sorted(one.request.sop_instance for one in pacs.accepted)
        [row] = site.rows("deliveries", state="given up")
        assert "No such file" in row.why
        site.stop()


def test_mercure_8_a_delivery_that_was_given_up_can_be_sent_again_by_hand(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "a")
    pacs.answer = lambda _: CANNOT_UNDERSTAND
    with make_site(sends_to(pacs.destination)) as site:
        output = finished(site, path)
        [job] = site.wait_for_jobs(1)
        [row] = site.rows("deliveries")
        assert (row.state, row.attempts) == ("given up", 3)
        pacs.answer = lambda _: SUCCESS
        hilum(site, "retry", job.name)
        wait_for_deliveries(site, state="delivered")
        site.wait_for_jobs(1)
        assert '"0000H"' in (output.parent / "receipt.json").read_text()
    assert [one.request.sop_instance for one in pacs.accepted] == [path.stem]


DAY = 86_400


def test_mercure_10_a_full_disk_removes_nothing_and_time_removes_everything(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    good, bad, held, unwanted = (make_instance(tmp_path / name) for name in ("good", "bad", "held", "unwanted"))
    keys = {
        "dicom": {"scp": {"ae-titles": [{"ae-title": title} for title in ("GOOD", "BAD", "NONE")]}},
        "workflows": [
            {"name": "good", "clara-ae-title": "GOOD", "engine": "copy"},
            {"name": "bad", "clara-ae-title": "BAD", "engine": "fails"},
        ],
        "engines": {"fails": {"type": "process", "command": ["false"], "attempts": 1}},
        "storage": {"retention-days": {"delivered": 7, "failed": 30}},
    }
    with make_site(keys, clock=clock) as site:
        send(site.port, good, called="GOOD")
        send(site.port, bad, called="BAD")
        send(site.port, unwanted, called="NONE")
        with association(site.port, [held], called="GOOD") as open_one:
            store(open_one, held)
            open_one.abort()
        site.wait_for_jobs(1, "complete")
        site.wait_for_jobs(1, "failed")
        eventually(lambda: site.rows("associations", state="held"), what="the held association")
        eventually(lambda: site.rows("groups", state="stored only"), what="the unwanted group")

        def there() -> set[str]:
            """Which of the four still have a file somewhere."""
            every = {"good": good, "bad": bad, "held": held, "unwanted": unwanted}
            left = everything_in(site.spool) + everything_in(site.payloads)
            return {name for name, path in every.items() if path.stem.encode() in left}

        everything = {"good", "bad", "held", "unwanted"}
        reload(site, keys | {"storage": keys["storage"] | {"reserve-gb": 1_000_000}})
        with pytest.raises(TemporaryError):
            send(site.port, good, called="GOOD")
        for days, left in (
            (0.9, everything),
            (0.2, {"good", "bad", "unwanted"}),
            (6, {"bad", "unwanted"}),
            (24, set()),
        ):
            clock.move(days * DAY)
            eventually(lambda: there() == left, what=f"{left} and nothing else")  # noqa: B023
        eventually(lambda: not tree(site.spool) | tree(site.payloads), what="empty folders")
