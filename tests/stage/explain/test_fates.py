"""Each thing that can become of an instance is told as what it is: where, why, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.clock import Hands
from harness.data import CT_IMAGE_STORAGE, make_instance, make_series, read
from harness.pacs import Pacs
from harness.ports import free_port
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.association.requestor import PermanentRejectError
from hilum.explain.explanation import Explanation, Finding, Tone
from hilum.explain.inquirer import Inquirer
from hilum.ledger import dispatch, holding, work
from hilum.model import Answer
from hilum.store.rescan import Scanned, rescan

MakeSite = Callable[..., Site]
STUDY = "1.2.826.0.1.3680043.8.498.1"


def workflow(engine: str = "copy", **more: Any) -> dict[str, Any]:
    return {"name": "lung", "clara-ae-title": "HILUM", "engine": engine} | more


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"type": "process", "command": ["sh", "-c", script], "attempts": 1} | more


def explain(site: Site, what: str = STUDY, **how: Any) -> Explanation:
    inquirer = Inquirer(database=site.database, spool=site.spool, running=True)
    return inquirer.explain(what, now=site.clock(), **how)


def found(site: Site, place: str, what: str = STUDY) -> Finding:
    """The finding with this place, once there is one."""

    def look() -> Finding | None:
        return next((one for one in explain(site, what).findings if one.place == place), None)

    one = eventually(look, what=f"a finding {place!r}")
    assert one.what[0].isupper() or one.what[0].isdigit()
    return one


def commands(one: Finding) -> list[str]:
    return [remedy.command for remedy in one.remedies if remedy.command]


def one_instance(tmp_path: Path, **how: Any) -> Path:
    return make_instance(tmp_path / "ct", **({"study": STUDY, "patient": "ANNA-7"} | how))


def test_rejected(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    with make_site({"dicom": {"scp": {"reject-unknown-sources": True, "sources": [_elsewhere()]}}}) as site:
        with pytest.raises(PermanentRejectError):
            send(site.port, file, calling="STRANGER")
        rejected = found(site, "rejected")
        told = explain(site)
    assert (told.kind, told.looked != ()) == ("", True)
    assert "'STRANGER' from 127.0.0.1 is not in dicom.scp.sources" in rejected.why
    assert "add {host-ip: 127.0.0.1, ae-title: STRANGER}" in rejected.remedies[0].text
    assert told.findings[-1].place == "never came"


def _elsewhere() -> Mapping[str, str]:
    return {"host-ip": "10.9.8.7", "ae-title": "CT1"}


def test_ignored(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    keys = {"dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM", "ignored-sop-classes": [CT_IMAGE_STORAGE]}]}}}
    with make_site(keys) as site:
        assert [one.status for one in send(site.port, file)] == [0]
        ignored = eventually(
            lambda: next((one for one in explain(site).findings if one.place == "ignored"), None), what="a line"
        )
    assert "answered with success and not stored" in ignored.why
    assert "ignored-sop-classes of HILUM" in ignored.remedies[0].text


def test_refused(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    uid = str(read(file).SOPInstanceUID)
    whole = file.read_bytes()
    with make_site() as site:
        with association(site.port, [file]) as requestor:
            file.write_bytes(whole[:-100])
            with file.open("rb") as short:
                known = rescan(_whole(tmp_path, whole))
                assert isinstance(known, Scanned)
                answer = requestor.store(
                    short,
                    known.meta.data_set_offset,
                    len(whole) - 100 - known.meta.data_set_offset,
                    sop_class=CT_IMAGE_STORAGE,  # type: ignore[arg-type]
                    sop_instance=uid,  # type: ignore[arg-type]
                    transfer_syntax=known.meta.transfer_syntax,  # type: ignore[arg-type]
                )
        assert answer.status == 0xC000
        told = explain(site, uid)
    assert (told.kind, told.tone) == ("instance", Tone.WRONG)
    assert "answered status C000H to MODALITY" in told.findings[0].why
    assert "send it again" in told.findings[0].remedies[0].text


def _whole(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "whole.dcm"
    path.write_bytes(content)
    return path


def test_arriving(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    with make_site() as site, association(site.port, [file]) as requestor:
        store(requestor, file)
        told = explain(site, "ANNA-7")
        assert told.findings[0].place == "spool"
        assert told.findings[0].count == 1
        assert "still open" in told.findings[0].what
        assert "arriving just now" in told.summary
        assert "ANNA-7" not in str(told)


def test_held_and_accepted(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    with make_site({"workflows": [workflow()]}) as site:
        _abort_after(site, file)
        held = found(site, "held")
        assert held.tone is Tone.LOOK
        assert "aborted" in held.why
        [row] = site.rows("associations")
        assert commands(held) == [f"hilum accept {row.id}"]
        assert held.remedies[1].action == f"/associations/{row.id}/accept"
        with site.database.write() as connection:
            holding.ask_accept(connection, row.id, now=site.clock())
        found(site, "complete")
        told = explain(site)
    story = [step.what for step in told.story]
    assert story[0].startswith("association opened from MODALITY (127.0.0.1) to HILUM")
    assert any(line.startswith("association ended without a release") for line in story)
    assert any(line.startswith("association released") for line in story)


def _abort_after(site: Site, file: Path) -> None:
    with association(site.port, [file]) as requestor:
        store(requestor, file)
        requestor.abort()


def test_held_too_long(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    clock = Hands()
    with make_site({"dicom": {"scp": {"aborted-retention": 60}}}, clock=clock) as site:
        _abort_after(site, file)
        found(site, "held")
        clock.move(120)
        removed = found(site, "removed")
    assert removed.tone is Tone.WRONG
    assert "aborted-retention" in removed.why
    assert removed.remedies[0].text == "have it sent again"


def test_waits_in_a_group(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    keys = {"dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM", "timeout": 600, "timeout-group": "Study"}]}}}
    with make_site(keys) as site:
        send(site.port, file)
        waits = found(site, "group")
    assert waits.tone is Tone.WAITS
    assert "closes in" in waits.why
    assert commands(waits) == ["hilum groups close 1"]


def test_parked(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    clock = Hands()
    refusing = {"ae-title": "HILUM", "processors": ["stage.explain.processors:Refusing"]}
    with make_site({"dicom": {"scp": {"ae-titles": [refusing]}}}, clock=clock) as site:
        send(site.port, file)

        def parked() -> Finding | None:
            [row] = site.rows("groups")
            if row.not_before is not None and row.not_before > site.clock():  # it waits to be tried again
                clock.move((row.not_before - site.clock()).total_seconds())
                assert site.gateway is not None
                site.gateway.parts.wakes.notify()
            return next((one for one in explain(site).findings if one.place == "parked"), None)

        one = eventually(parked, what="a parked group")
    assert "I do not like it" in one.why
    assert commands(one) == ["hilum retry group:1"]


def test_stored_only_and_removed(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    clock = Hands()
    with make_site({"storage": {"retention-days": {"failed": 1, "delivered": 1}}}, clock=clock) as site:
        send(site.port, file)
        stored = found(site, "stored only")
        assert "no workflow for AE title HILUM" in stored.why
        assert commands(stored) == ["hilum retry group:1"]
        clock.move(86400 * 2)
        removed = found(site, "removed")
    assert "storage.retention-days" in removed.why


def test_queued_running_and_no_results(make_site: MakeSite, tmp_path: Path) -> None:
    first, second = one_instance(tmp_path), one_instance(tmp_path, study=f"{STUDY}.2")
    gate = tmp_path / "open"
    engine = shell(f"while ! [ -e {gate} ]; do sleep 0.05; done")
    with make_site({"workflows": [workflow("slow")], "engines": {"slow": engine}}) as site:
        send(site.port, first)
        running = found(site, "running")
        send(site.port, second)
        queued = found(site, "queued", f"{STUDY}.2")
        gate.touch()
        done = found(site, "complete")
        [*_, last] = explain(site).story
    assert "runs on engine slow" in running.what
    assert "waits for engine slow" in queued.what
    assert "there is no DICOM file to send" in done.what
    assert last.what.startswith("every delivery has ended")


def test_failed(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    with make_site({"workflows": [workflow("bad")], "engines": {"bad": shell("exit 3")}}) as site:
        send(site.port, file)
        failed = found(site, "failed")
        [job] = site.rows("jobs")
        assert explain(site, job.id[:8]).kind == explain(site, job.name).kind == "job"
    assert failed.tone is Tone.WRONG
    assert "3" in failed.why
    assert commands(failed) == [f"hilum jobs show {job.id[:8]}", f"hilum retry {job.id[:8]}"]
    assert failed.remedies[1].action == f"/jobs/{job.id}/retry"


def test_delivered_then_removed(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 3)
    study = str(read(files[0]).StudyInstanceUID)
    clock = Hands()
    keys = {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow(**{"destination-name": "PACS"})],
    }
    with make_site(keys, clock=clock) as site:
        send(site.port, *files)
        site.wait_for_jobs(1)
        delivered = found(site, "delivered", study)
        told = explain(site, study)
        assert (told.tone, delivered.count) == (Tone.OK, 3)
        assert "3 instances received from MODALITY (127.0.0.1)" in told.summary
        assert "3 results delivered to PACS" in told.summary
        uid = str(read(files[1]).SOPInstanceUID)
        assert [one.count for one in explain(site, uid).findings if one.place == "delivered"] == [1]
        assert explain(site, f"delivery:{site.rows('deliveries')[0].id}").kind == "delivery"
        clock.move(86400 * 40)
        removed = found(site, "removed", study)
        assert found(site, "delivered", study).count == 3
    assert removed.tone is Tone.OK
    assert "its folder was removed at" in removed.what


def test_given_up_and_refused_by_the_pacs(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    clock = Hands()
    with Pacs(answer=lambda _: Answer(status=0xA900, comment="not mine")) as pacs:
        keys = {
            "dicom": {"scu": {"destinations": [pacs.destination], "retry": {"waits": [0.1]}}},
            "workflows": [workflow(**{"destination-name": "PACS"})],
        }
        with make_site(keys, clock=clock) as site:
            send(site.port, file)

            def given_up() -> Finding | None:
                clock.move(1)
                return next((one for one in explain(site).findings if one.place == "given up"), None)

            one = eventually(given_up, what="a delivery that was given up")
    assert one.tone is Tone.WRONG
    assert "A900" in one.why
    assert commands(one) == ["hilum echo PACS", "hilum retry delivery:1"]


def test_waits_for_a_pacs_that_is_down(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    nobody = {"name": "PACS", "host-ip": "127.0.0.1", "port": free_port(), "ae-title": "PACS"}
    keys = {
        "dicom": {"scu": {"destinations": [nobody], "retry": {"waits": [600]}}},
        "workflows": [workflow(**{"destination-name": "PACS"})],
    }
    with make_site(keys) as site:
        send(site.port, file)
        due = eventually(
            lambda: next((one for one in explain(site).findings if one.place == "due" and one.why), None), what="due"
        )
        [row] = site.rows("deliveries")
        with site.database.write() as connection:
            dispatch.ask_retry(connection, row.id, now=site.clock())
    assert due.tone is Tone.LOOK
    assert "tried next in" in due.what
    assert "refused" in due.why.lower()


def test_quarantined_and_lost(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 2)
    study = str(read(files[0]).StudyInstanceUID)
    window = {"ae-title": "HILUM", "timeout": 600, "timeout-group": "Study"}
    with make_site({"dicom": {"scp": {"ae-titles": [window]}}, "workflows": [workflow()]}) as site:
        send(site.port, *files)
        found(site, "group", study)
        [row] = site.rows("associations")
        folder = site.spool / row.folder
        (folder / "1.dcm").write_bytes(b"rubbish")
        with site.database.write() as connection:
            from hilum import orders

            orders.close_group(connection, 1, site.clock())
        quarantined = found(site, "quarantined", study)
        shutil.rmtree(folder)
        lost = found(site, "lost", study)
    assert quarantined.tone is lost.tone is Tone.WRONG
    assert quarantined.count == 1
    assert "damaged on disk" in quarantined.why
    assert commands(lost) == ["hilum fsck"]


def test_a_patient_with_several_studies_gives_a_choice_without_naming_the_patient(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = [one_instance(tmp_path, study=f"{STUDY}.{number}") for number in (1, 2)]
    with make_site() as site:
        for file in files:
            send(site.port, file)
        told = explain(site, "ANNA-7")
        assert {one.name for one in told.choices} == {f"{STUDY}.1", f"{STUDY}.2"}
        assert "ANNA-7" not in str(told)
        assert explain(site, f"{STUDY}.1", personal=True).patients == ("ANNA-7",)


def test_a_file_whose_study_is_known_but_not_it(make_site: MakeSite, tmp_path: Path) -> None:
    here, elsewhere = one_instance(tmp_path), one_instance(tmp_path)
    with make_site() as site:
        send(site.port, here)
        inquirer = Inquirer(database=site.database, spool=site.spool, running=True)
        headers = [one.header for one in map(rescan, (here, elsewhere)) if isinstance(one, Scanned)]
        known = inquirer.explain_file(headers[0], "a.dcm", now=site.clock())
        unknown = inquirer.explain_file(headers[1], "b.dcm", now=site.clock())
    assert (known.kind, known.asked) == ("instance", "a.dcm")
    assert (unknown.kind, unknown.findings[0].place) == ("study", "not received")


def test_a_cancelled_job_and_a_duplicate(make_site: MakeSite, tmp_path: Path) -> None:
    file = one_instance(tmp_path)
    with make_site({"workflows": [workflow("folder")]}) as site:
        send(site.port, file, file)
        assert found(site, "ignored").count == 1
        running = found(site, "running")
        assert "output/job.done" in running.why
        [job] = site.rows("jobs")
        with site.database.write() as connection:
            work.ask_cancel(connection, job.id, now=site.clock(), remove_at=site.clock() + timedelta(days=1))
        cancelled = found(site, "cancelled")
    assert cancelled.tone is Tone.LOOK


def test_no_such_thing_is_an_error_of_nobody(make_site: MakeSite) -> None:
    with make_site() as site:
        told = explain(site, "group:99")
        assert told.kind == ""
        assert told.summary.startswith("Nothing is known of group:99")
