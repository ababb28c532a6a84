"""The commands that look into a gateway's ledger and ask for something, with a real gateway behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.outbox import closed_port
from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.model import Answer
from stage.cli.running import Hilum, Ran

MakeSite = Callable[..., Site]
At = Callable[[Site], Hilum]

CRASH = {"type": "process", "attempts": 1, "command": ["sh", "-c", "echo loading; echo out of memory >&2; exit 3"]}


@pytest.fixture
def at(hilum: Hilum) -> At:
    """Commands on the configuration of a site."""

    def at_(site: Site) -> Hilum:
        def run(*arguments: object) -> Ran:
            return hilum(*arguments, HILUM_CONFIG=str(site.path))

        return run

    return at_


def workflow(name: str, engine: str = "copy", **more: object) -> dict[str, object]:
    return {"name": name, "clara-ae-title": "HILUM", "engine": engine, **more}


def test_a_job_is_listed_shown_and_found_by_a_beginning_of_its_name(
    make_site: MakeSite, pacs: Pacs, at: At, tmp_path: Path
) -> None:
    keys = {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow("back", **{"destination-name": "PACS", "workflow": "wf-1"})],
    }
    with make_site(keys) as site:
        send(site.port, *make_series(tmp_path / "ct", 3))
        [row] = site.wait_for_jobs(1)
        hilum = at(site)

        (job,) = hilum("jobs", "--json").json
        assert (job["id"], job["state"], job["delivered"], job["workflow"]) == (row.id, "complete", 3, "wf-1")
        assert f"{row.id[:8]}  complete" in hilum("jobs").out
        assert hilum("jobs", "--state", "failed").out == "No such jobs.\n"
        assert hilum("jobs", "--workflow", "wf-1", "--ae", "HILUM", "--json").json == [job]

        shown = hilum("jobs", "show", "hilum-back", "--json").json
        assert len(shown["results"]) == len(shown["deliveries"]) == 3
        assert [line["event"] for line in shown["history"] if line["machine"] == "job"] == [
            "made",
            "started",
            "succeeded",
            "collected",
            "settled",
        ]
        told = hilum("jobs", "show", row.id[:8]).out
        for part in ("association from MODALITY", "last of 3 instances", "workflow finished", "delivered to PACS"):
            assert part in told

        assert {one["state"] for one in hilum("deliveries", "--job", row.id, "--json").json} == {"delivered"}
        status = hilum("status", "--json").json
        assert (status["running"], status["jobs"]["complete"], status["attention"]) == (True, 1, [])
        assert "Nothing needs attention." in hilum("status").out
        assert "Nothing was refused" in hilum("history").out
        assert "collected" in hilum("history", "--all").out


def test_options_given_before_a_command_of_jobs_hold_for_it(make_site: MakeSite, hilum: Hilum) -> None:
    with make_site() as site:
        ran = hilum("jobs", "--config", site.path, "show", "none")
        assert ran.code == 1
        assert "there is no job 'none'" in ran.err
        assert hilum("jobs", "show", "none").code == 2  # no app.yaml here


def test_a_failed_job_needs_attention_shows_its_log_and_can_be_retried(
    make_site: MakeSite, at: At, tmp_path: Path
) -> None:
    with make_site({"workflows": [workflow("bad", "crash")], "engines": {"crash": CRASH}}) as site:
        send(site.port, make_instance(tmp_path / "ct"))
        [job] = site.wait_for_jobs(1, "failed")
        hilum = at(site)

        (point,) = hilum("status", "--json").json["attention"]
        assert "1 job failed" in point["what"]
        assert f"hilum retry {job.id[:8]}" in point["command"]
        assert hilum("jobs", "show", job.id, "--json").json["log"] == ["loading", "out of memory"]
        assert "out of memory" not in hilum("jobs", "show", job.id, "--lines", "0").out

        nothing = hilum("cancel", job.id)
        assert nothing.code == 1
        assert "is failed: there is nothing to cancel" in nothing.err
        assert hilum("retry", job.id).out == f"Job {job.name} is queued again.\n"
        [again] = site.wait_for_jobs(1, "failed")
        assert eventually(lambda: site.rows("jobs")[0].attempt == 2, what="another attempt")
        assert again.id == job.id


def test_deliveries_that_were_given_up_are_shown_and_retried_by_their_job(
    make_site: MakeSite, pacs: Pacs, at: At, tmp_path: Path
) -> None:
    keys = {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow("back", **{"destination-name": "PACS"})],
    }
    pacs.answer = lambda _request: Answer(status=0xC000, comment="not today")
    with make_site(keys) as site:
        send(site.port, *make_series(tmp_path / "ct", 2))
        [job] = site.wait_for_jobs(1)
        hilum = at(site)

        assert (
            hilum("deliveries", "--state", "given-up", "--json").json[0]["why"].startswith("the destination answered")
        )
        told = hilum("status").out
        assert "2 deliveries to PACS given up" in told
        assert "not today" in told
        history = hilum("history").out
        assert "delivery 1 and 2 to PACS: failed for good" in history

        pacs.answer = lambda _request: Answer(status=0)
        assert hilum("retry", job.id[:8]).out == f"2 deliveries of job {job.name} will be tried now.\n"
        eventually(lambda: len(pacs.accepted) == 2, what="the results at the PACS")
        eventually(lambda: site.rows("jobs")[0].state == "complete", what="the job to be complete again")
        assert hilum("retry", job.id).code == 1
        for wrong, says in (
            ("delivery:1", "has been delivered"),
            ("delivery:77", "there is no delivery 77"),
            ("group:1", "is planned"),
            ("nobody", "there is no job"),
        ):
            refused = hilum("retry", wrong)
            assert refused.code == 1
            assert says in refused.err
        assert hilum("retry", "thing:1").code == 2


def test_a_destination_that_is_down_is_shown_wherever_something_waits_for_it(
    make_site: MakeSite, at: At, tmp_path: Path
) -> None:
    with closed_port() as port:
        nobody = {"name": "PACS", "host-ip": "127.0.0.1", "port": port, "ae-title": "PACS"}
        keys = {
            "dicom": {"scu": {"destinations": [nobody], "retry": {"waits": [3600]}}},
            "workflows": [workflow("back", **{"destination-name": "PACS"})],
        }
        with make_site(keys) as site:
            send(site.port, *make_series(tmp_path / "ct", 2))
            eventually(lambda: site.rows("destinations", state="down"), what="an attempt")
            [job] = site.rows("jobs")
            hilum = at(site)
            for told in (
                hilum("status").out,
                hilum("deliveries").out,
                hilum("jobs", "show", job.id).out,
                hilum("history").out,
            ):
                assert "connection was refused" in " ".join(told.split())
            assert "2 deliveries wait for PACS, which is down" in " ".join(hilum("status").out.split())
            assert "PACS: down, nothing is sent there" in " ".join(hilum("deliveries").out.split())
            [one] = hilum("status", "--json").json["destinations"]
            assert (one["state"], one["due"], one["failures"]) == ("down", 2, 1)
            rows = hilum("deliveries", "--json").json
            assert [(row["attempts"], row["next-try"]) for row in rows] == [(0, one["next-try"])] * 2
            with Pacs(port=port) as pacs:
                assert hilum("retry", job.id).out == f"2 deliveries of job {job.name} will be tried now.\n"
                eventually(lambda: len(pacs.accepted) == 2, what="the results at the PACS")


def test_an_open_group_is_listed_without_the_patient_and_closed_on_request(
    make_site: MakeSite, at: At, tmp_path: Path
) -> None:
    ae = {"ae-title": "HILUM", "timeout": 3500, "timeout-group": "Patient"}
    with make_site({"dicom": {"scp": {"ae-titles": [ae]}}, "workflows": [workflow("back")]}) as site:
        send(site.port, make_instance(tmp_path / "ct", patient="SECRET-ID"))
        hilum = at(site)

        (group,) = hilum("groups", "--json").json
        assert (group["state"], group["kind"], group["instances"], group["key"]) == ("open", "Patient", 1, "")
        assert "closes in 5" in hilum("groups").out
        assert "closes in 5" in hilum("status").out
        for arguments in (("groups",), ("status",), ("status", "--json"), ("history", "--all")):
            assert "SECRET-ID" not in hilum(*arguments).out
        assert "SECRET-ID" in hilum("groups", "--key").out

        assert hilum("groups", "close", group["id"]).out == f"Closed group {group['id']} with 1 instance.\n"
        site.wait_for_jobs(1)
        again = hilum("groups", "close", group["id"])
        assert again.code == 1
        assert "nothing to close" in again.err
        assert hilum("groups", "close", 99).code == 1


def test_a_held_association_is_listed_and_accepted(make_site: MakeSite, at: At, tmp_path: Path) -> None:
    with make_site({"workflows": [workflow("back")]}) as site:
        path = make_instance(tmp_path / "ct")
        with association(site.port, [path]) as requestor:
            store(requestor, path)
            requestor.abort()
        hilum = at(site)
        (held,) = eventually(lambda: hilum("accept", "--json").json, what="the association to be held")
        assert held["instances"] == 1
        assert f"hilum accept {held['id']}" in hilum("status").out
        assert hilum("accept", "1999").code == 1
        assert hilum("accept", held["id"][:-3]).out == f"Accepted association {held['id']} with 1 instance.\n"
        site.wait_for_jobs(1)
        assert hilum("accept").out == "No association is held.\n"


def test_who_was_refused_is_in_the_history_with_the_remedy(make_site: MakeSite, at: At, tmp_path: Path) -> None:
    keys = {"dicom": {"scp": {"reject-unknown-sources": True, "sources": [{"host-ip": "127.0.0.1", "ae-title": "CT"}]}}}
    with make_site(keys) as site:
        hilum = at(site)
        refused = hilum("send", f"HILUM@127.0.0.1:{site.port}", make_instance(tmp_path / "ct"), "-aet", "MR")
        assert refused.code == 1
        assert "register the calling AE title MR" in refused.err
        (line,) = hilum("history", "--since", "1h", "--json").json
        assert (line["event"], line["subject"]) == ("rejected", "127.0.0.1")
        assert line["remedy"] == "add {host-ip: 127.0.0.1, ae-title: MR} to dicom.scp.sources"
        assert "-> add {host-ip" in hilum("history").out
        assert hilum("history", "--since", "2999-01-01").out.startswith("Nothing was refused")
        assert hilum("history", "--since", "yesterday").code == 2


def test_without_a_gateway_what_is_asked_for_waits_and_the_user_is_told(
    make_site: MakeSite, at: At, tmp_path: Path
) -> None:
    site = make_site({"workflows": [workflow("by-hand", "folder")]})
    hilum = at(site)
    unborn = hilum("jobs")
    assert unborn.code == 1
    assert "no gateway has run with" in unborn.err
    site.start()
    send(site.port, make_instance(tmp_path / "ct"))
    [job] = site.wait_for_jobs(1, "running")
    site.stop()

    assert "Gateway NOT RUNNING" in hilum("status").out
    assert hilum("status", "--json").json["attention"][0]["what"] == "no gateway is running"
    asked = hilum("cancel", job.id)
    assert asked.code == 0
    assert "is being stopped. No gateway is running; it happens when one does." in asked.out
    site.start()
    site.wait_for_jobs(1, "cancelled")
    assert hilum("retry", job.id, "--json").code == 0
    site.wait_for_jobs(1, "running")


@pytest.mark.sqlite
def test_a_second_gateway_on_the_same_ledger_is_refused_in_one_sentence(
    make_site: MakeSite, hilum_process: Hilum
) -> None:
    with make_site() as site:
        ran = hilum_process("serve", "--config", site.path)
    assert ran.code == 1
    assert "another gateway is running" in ran.err
    assert "Traceback" not in ran.err


def test_a_destination_is_a_peer_by_its_name(make_site: MakeSite, pacs: Pacs, at: At) -> None:
    site = make_site({"dicom": {"scu": {"ae-title": "GATEWAY", "destinations": [pacs.destination]}}})
    ran = at(site)("echo", "PACS")
    assert ran.code == 0, ran.err
    assert [one.calling for one in pacs.associations] == ["GATEWAY"]


def test_a_full_disk_is_the_first_thing_that_status_tells(make_site: MakeSite, at: At, tmp_path: Path) -> None:
    with make_site({"storage": {"watermark-percent": 1}}) as site:
        refused = at(site)("send", f"HILUM@127.0.0.1:{site.port}", make_instance(tmp_path / "ct"))
        assert refused.code == 3
        assert "temporary congestion" in refused.err
        (first, *_) = at(site)("status", "--json").json["attention"]
        assert "nothing new is taken" in first["what"]
        assert "limit 1 %" in first["why"]


def test_a_paused_destination_gets_nothing_until_it_is_resumed(
    make_site: MakeSite, pacs: Pacs, at: At, tmp_path: Path
) -> None:
    keys = {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow("back", **{"destination-name": "PACS"})],
    }
    with make_site(keys) as site:
        hilum = at(site)
        assert "Nothing more is sent to PACS" in hilum("pause", "PACS").out
        send(site.port, *make_series(tmp_path / "ct", 1))
        site.wait_for_jobs(1, "collected")

        assert hilum("status", "--json").json["destinations"][0]["state"] == "paused"
        assert "PACS is paused, and 1 delivery waits for it" in hilum("status").out
        (waiting,) = hilum("deliveries", "--json").json
        assert (waiting["next-try"], waiting["destination-down"]) == (None, "paused by an operator")
        assert "when PACS is resumed" in hilum("retry", f"delivery:{waiting['id']}").out
        again = hilum("pause", "PACS")
        assert (again.code, again.err) == (1, "hilum: destination PACS is paused already\n")

        assert hilum("resume", "PACS", "--json").json["resumed"] == "PACS"
        site.wait_for_jobs(1)
        assert len(pacs.arrived) == 1
        assert "is not paused" in hilum("resume", "PACS").err
        assert "there is no destination 'PASC'; dicom.scu.destinations has: PACS" in hilum("pause", "PASC").err
