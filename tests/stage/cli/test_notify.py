"""``hilum notify``, and what ``hilum status`` and the API say of channels."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.data import make_series
from harness.hook import Hook, status, verified
from harness.mailbox import Mailbox
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from stage.cli.running import Hilum

MakeSite = Callable[..., Site]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as started:
        yield started


def notifications(hook: Hook, **more: Any) -> dict[str, Any]:
    return {
        "notifications": {"webhooks": {"oncall": {"url": hook.url, "secret": "s"}}, "retry": {"waits": [0.2]}} | more
    }


def test_a_test_notice_goes_through_every_channel(make_site: MakeSite, hook: Hook, hilum: Hilum) -> None:
    with Mailbox() as box:
        mail = {
            "host": "127.0.0.1",
            "port": box.port,
            "security": "none",
            "from": "h@example.org",
            "to": ["a@example.org"],
        }
        site = make_site(notifications(hook, mail={"desk": mail}, gateway="gw1"))
        ran = hilum("notify", "test", "--config", site.path)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == "oncall: told, 204 No Content\ndesk: told, taken for 1\n"
        [post] = hook.posts
        assert verified(post, "s")
        assert post.document["topic"] == "test"
        [letter] = box.letters
        assert letter.message["Subject"] == "[gw1] a test: whoever gets this gets the notices of this gateway"
        assert hilum("notify", "--config", site.path, "test", "desk", "--json").json == {
            "desk": {"told": True, "answer": "taken for 1"}
        }
        assert (len(hook.posts), len(box.letters)) == (1, 2)


def test_a_channel_that_does_not_take_it_fails_the_command(make_site: MakeSite, hook: Hook, hilum: Hilum) -> None:
    hook.answer = status(403, b"wrong token")
    site = make_site(notifications(hook))
    ran = hilum("notify", "test", "--config", site.path)
    assert ran.code == 3
    assert ran.out == "oncall: NOT TOLD: answered 403 Forbidden: wrong token\n"


def test_a_channel_that_is_not_there_is_a_mistake(make_site: MakeSite, hook: Hook, hilum: Hilum) -> None:
    ran = hilum("notify", "test", "desk", "--config", make_site(notifications(hook)).path)
    assert ran.code == 2
    assert "there is no channel 'desk'; there are oncall" in ran.err
    ran = hilum("notify", "test", "--config", make_site().path)
    assert ran.code == 2
    assert "add one under notifications.webhooks or notifications.mail" in ran.err


def test_notices_and_channels_that_fail_are_shown_everywhere(
    make_site: MakeSite, hook: Hook, hilum: Hilum, tmp_path: Path
) -> None:
    hook.answer = status(500)
    keys = {
        "workflows": [{"name": "w", "clara-ae-title": "HILUM", "engine": "broken"}],
        "engines": {"broken": {"type": "process", "command": ["false"], "attempts": 1}},
        "web": {"enabled": True, "port": 0},
    }
    site = make_site(keys | notifications(hook, retry={"waits": [3600]}))
    with site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        eventually(lambda: site.rows("notices", attempts=1), what="a notice that failed")
        shown = hilum("notify", "--config", site.path)
        assert "job-failed" in shown.out
        assert "answered 500 Internal Server Error" in shown.out
        document = hilum("notify", "--json", "--config", site.path).json
        assert document["channels"][0]["due"] == 1
        assert document["notices"][0]["state"] == "due"
        assert hilum("notify", "--state", "sent", "--config", site.path).out == "No such notices.\n"
        overview = hilum("status", "--json", "--config", site.path).json
        [point] = [point for point in overview["attention"] if point["matter"] == "untold"]
        assert (point["what"], point["subject"]) == ("1 notice waits for oncall", "oncall")
        assert point["why"] == "answered 500 Internal Server Error"
        assert overview["channels"][0]["name"] == "oncall"
        assert "CHANNEL" in hilum("status", "--config", site.path).out
        base = f"{site.web}/api/v1/notices"
        with urllib.request.urlopen(base) as answer:
            page = json.load(answer)
        assert [one["topic"] for one in page["items"]] == ["job-failed"]
        assert page["items"][0]["examples"] == [site.rows("jobs")[0].id]
        with urllib.request.urlopen(f"{base}?topic=disk-full&state=due&channel=oncall") as answer:
            assert json.load(answer) == {"items": [], "next": None}
        with urllib.request.urlopen(f"{base}/channels") as answer:
            assert json.load(answer)[0]["failing"] == "answered 500 Internal Server Error"
        test = urllib.request.Request(f"{base}/channels/oncall/test", method="POST")
        with urllib.request.urlopen(test) as answer:
            said = json.load(answer)
        assert not said["ok"]
        assert said["done"].startswith("oncall did not take the test notice: answered 500")
        hook.answer = status(204)
        with urllib.request.urlopen(test) as answer:
            assert json.load(answer)["done"] == "oncall took the test notice: 204 No Content"
        [waiting] = site.rows("notices")
        with urllib.request.urlopen(f"{base}/{waiting.id}") as answer:
            assert json.load(answer)["why"] == "answered 500 Internal Server Error"
        told = hilum("retry", f"notice:{waiting.id}", "--config", site.path)
        assert (told.code, told.out) == (0, f"Notice {waiting.id} will be told through oncall now.\n")
        eventually(lambda: site.rows("notices", state="sent"), what="the notice, an hour before its time")
        again = hilum("retry", f"notice:{waiting.id}", "--config", site.path)
        assert "was sent: there is nothing to retry" in again.err
        assert "no notice through oncall was given up" in hilum("retry", "channel:oncall", "--config", site.path).err
        assert "there is no channel 'desk'" in hilum("retry", "channel:desk", "--config", site.path).err
        assert "there is no notice 99" in hilum("retry", "notice:99", "--config", site.path).err


def test_what_a_channel_did_not_take_is_told_again(make_site: MakeSite, hook: Hook, tmp_path: Path) -> None:
    hook.answer = status(500)
    keys = {
        "workflows": [{"name": "w", "clara-ae-title": "HILUM", "engine": "broken"}],
        "engines": {"broken": {"type": "process", "command": ["false"], "attempts": 1}},
        "web": {"enabled": True, "port": 0},
    }
    with make_site(keys | notifications(hook, retry={"waits": [0.1], "give-up-after": 0.05})) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        [lost] = eventually(lambda: site.rows("notices", state="given up"), what="a notice that was given up")
        hook.answer = status(204)
        request = urllib.request.Request(f"{site.web}/api/v1/notices/channels/oncall/retry", method="POST")
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["done"] == "1 notice will be told through oncall now"
        eventually(lambda: site.rows("notices", id=lost.id, state="sent"), what="the notice")


def test_check_knows_the_section(make_site: MakeSite, hook: Hook, hilum: Hilum) -> None:
    site = make_site({"notifications": {"webhooks": {"oncall": {"url": hook.url}}}})
    ran = hilum("check", "--config", site.path)
    assert ran.code == 0
    assert "notices are not signed" in ran.err
    assert "again-after: 3600" in ran.out
