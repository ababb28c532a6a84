"""Somebody is told of what goes wrong in a whole gateway, and only of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flow.workflows import one_workflow
from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.hook import Hook, verified
from harness.mailbox import Mailbox
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site, merged
from harness.waiting import eventually

MakeSite = Callable[..., Site]
SECRET = "a secret of the test"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as started:
        yield started


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as started:
        yield started


def telling(hook: Hook, box: Mailbox | None = None, **keys: Any) -> dict[str, Any]:
    """The keys of a site that tells a webhook, and a mailbox if there is one."""
    mail = {"host": "127.0.0.1", "security": "none", "from": "hilum@example.org", "to": ["desk@example.org"]}
    return {
        "notifications": {
            "gateway": "gw1",
            "webhooks": {"oncall": {"url": hook.url, "secret": SECRET}},
            "mail": {"desk": mail | {"port": box.port}} if box else {},
            "retry": {"waits": [0.1]},
        }
        | keys
    }


def test_a_broken_workflow_leads_to_one_notice(make_site: MakeSite, hook: Hook, box: Mailbox, tmp_path: Path) -> None:
    clock = Hands()
    broken = {"type": "process", "command": ["sh", "-c", "exit 3"], "attempts": 2}
    with make_site(merged(one_workflow(broken), telling(hook, box)), clock=clock) as site:
        send(site.port, *make_series(tmp_path / "ct", 2))

        def told() -> bool:
            clock.move(0.5)
            return bool(hook.posts and box.letters)

        eventually(told, what="notices")
        [job] = site.rows("jobs", state="failed")
        [post] = hook.posts
        assert verified(post, SECRET)
        assert post.path == "/hook?to=desk"
        assert post.document | {"topic": "job-failed", "phase": "happened", "count": 1} == post.document
        assert post.document["subject"] == "one"
        assert post.document["examples"] == [job.id]
        assert post.document["reason"] == "exit code 3"
        [letter] = box.letters
        assert letter.message["Subject"] == "[gw1] a job of workflow one failed"
        assert "exit code 3" in letter.text
        assert letter.recipients == ("desk@example.org",)
        eventually(lambda: len(site.rows("notices", state="sent")) == 2, what="two sent notices")


def test_a_pacs_that_dies_and_comes_back_leads_to_two(make_site: MakeSite, hook: Hook, tmp_path: Path) -> None:
    with Pacs() as pacs:
        keys = one_workflow(to=[pacs])
    with make_site(merged(keys, telling(hook))) as site:
        send(site.port, *make_series(tmp_path / "ct", 3))
        [down] = eventually(lambda: hook.told, what="the news that it is down")
        assert (down["topic"], down["phase"], down["subject"]) == ("destination-down", "began", "PACS")
        assert down["reason"] == "connection was refused"
        with Pacs(port=pacs.port):
            site.wait_for_jobs(1)
            _, up = eventually(lambda: len(hook.told) == 2 and hook.told, what="the news that it is up")
        assert (up["topic"], up["phase"], up["subject"]) == ("destination-down", "over", "PACS")
        assert up["gist"].startswith("destination PACS is up again, after ")
        [began] = site.rows("notices", phase="began")
        assert began.over_at is not None


def test_no_notice_says_who_the_patient_is(make_site: MakeSite, hook: Hook, box: Mailbox, tmp_path: Path) -> None:
    """Names come in by every way there is: as patient, in what a PACS answers, in what a workflow writes."""
    from hilum.model import Answer

    name = "SECRETPATIENT"
    script = f'echo {name}; cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/; echo x > "$HILUM_OUTPUT/{name}.dcm"'
    engine = {"type": "process", "command": ["sh", "-c", script], "attempts": 1}
    failing = {"type": "process", "command": ["sh", "-c", f"echo {name} >&2; exit 7"], "attempts": 1}
    with Pacs(answer=lambda _request: Answer(status=0xC123, comment=f"no {name} here")) as pacs:
        keys = merged(one_workflow(engine, to=[pacs]), telling(hook, box))
        keys["dicom"]["scu"]["retry"] = {"waits": [0.1]}
        keys["workflows"].append(keys["workflows"][0] | {"name": "two", "engine": "failing", "destination-name": []})
        keys["engines"]["failing"] = failing
        with make_site(keys) as site:
            send(site.port, make_instance(tmp_path / "a", patient=name))
            topics = {"delivery-given-up", "job-failed"}
            eventually(lambda: {one["topic"] for one in hook.told} >= topics, what="both notices")
            eventually(lambda: len(box.letters) >= 2, what="both mails")
            assert any("C123H" in one["reason"] for one in hook.told)
            history = " ".join(line.why for line in site.history())
    assert name in history, "it was there to be told"
    for post in hook.posts:
        assert name.encode() not in post.body
    for letter in box.letters:
        assert name not in letter.raw.decode() + letter.text + str(letter.message.items())


def test_a_channel_that_is_mended_is_tried_at_once(make_site: MakeSite, hook: Hook, tmp_path: Path) -> None:
    broken = {"type": "process", "command": ["sh", "-c", "exit 3"], "attempts": 1}
    keys = merged(one_workflow(broken), telling(hook, retry={"waits": [3600]}))
    wrong = merged(keys, {"notifications": {"webhooks": {"oncall": {"url": "http://127.0.0.1:9/hook"}}}})
    with make_site(wrong) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        row = eventually(lambda: next(iter(site.rows("notices", attempts=1)), None), what="an attempt that failed")
        assert "cannot be reached" in row.why
        send(site.port, *make_series(tmp_path / "more", 1))
        eventually(lambda: len(site.rows("jobs", state="failed")) == 2, what="another failure")
        site.configure(keys)
        told = eventually(lambda: hook.told, what="notices by the mended channel")
        assert told[0]["topic"] == "job-failed"


def test_a_refused_configuration_is_told_by_the_one_that_is_in_force(make_site: MakeSite, hook: Hook) -> None:
    with make_site(telling(hook)) as site:
        site.path.write_text(site.path.read_text() + "\nzebra: 1\n")
        [told] = eventually(lambda: hook.told, what="the news that it was refused")
        assert (told["topic"], told["subject"]) == ("configuration-refused", str(site.path))
        eventually(lambda: site.rows("notices", state="sent"), what="the record of it")
        site.configure(telling(hook) | {"storage": {"reserve-gb": 0.001}})
        eventually(lambda: site.history(machine="config", event="reloaded"), what="the next one")
    assert len(hook.told) == 1, "the line is news once"


def test_a_source_that_is_expected_and_quiet_is_told(make_site: MakeSite, hook: Hook, tmp_path: Path) -> None:
    expected = [{"source": "MODALITY", "by": "00:01", "timezone": "UTC"}]
    clock = Hands()
    clock.move(120)  # so that it is never before one minute past midnight for long
    with make_site(telling(hook, expected=expected), clock=clock) as site:
        [quiet] = eventually(lambda: hook.told, what="the alarm", seconds=90)
        assert (quiet["topic"], quiet["phase"], quiet["subject"]) == ("source-quiet", "began", "MODALITY")
        send(site.port, *make_series(tmp_path / "ct", 1))
        _, over = eventually(lambda: len(hook.told) == 2 and hook.told, what="the end of it")
        assert over["gist"] == "MODALITY sends again"


def test_a_disk_that_is_too_full_is_told_and_so_is_its_room(make_site: MakeSite, hook: Hook) -> None:
    clock = Hands()
    full = {"storage": {"reserve-gb": 1_000_000}}
    with make_site(telling(hook) | full, clock=clock) as site:
        [began] = eventually(lambda: hook.told, what="the news that it is full")
        assert (began["topic"], began["phase"]) == ("disk-full", "began")
        assert began["reason"].endswith(" GB free, reserve 1e+06 GB")
        site.configure(telling(hook))

        def told() -> list[dict[str, Any]]:
            clock.move(5)
            return hook.told[1:]

        [over] = eventually(told, what="the news that it has room")
        assert (over["topic"], over["phase"]) == ("disk-full", "over")
