"""Webhooks to a server that works, and to those that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.hook import Hook, status, verified
from harness.ports import free_port
from hilum.exchange import Server
from hilum.notify.port import NotTold, Told
from hilum.notify.webhook import Webhook
from stage.notify.conftest import MESSAGE, NOW


def tell(channel: Webhook) -> Told | NotTold:
    return channel.tell(MESSAGE, lambda: NOW)


def test_it_is_posted_as_json_with_its_key_and_signature(hook: Hook) -> None:
    outcome = tell(Webhook(server=Server(url=hook.url, authorization="Bearer let-me-in"), secret="key"))
    assert outcome == Told(answer="204 No Content")
    [post] = hook.posts
    assert post.path == "/hook?to=desk"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["host"] == f"localhost:{hook.port}"
    assert post.headers["authorization"] == "Bearer let-me-in"
    assert post.headers["webhook-id"] == post.headers["idempotency-key"] == MESSAGE.key
    assert post.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verified(post, "key")
    assert not verified(replace(post, body=post.body.replace(b"lung", b"lunk")), "key")
    assert not verified(post, "another key")


def test_the_body_is_what_the_documents_say(hook: Hook) -> None:
    tell(Webhook(server=Server(url=hook.url)))
    [post] = hook.posts
    assert post.document == {
        "version": 1,
        "id": MESSAGE.key,
        "topic": "job-failed",
        "phase": "happened",
        "subject": "lung",
        "count": 3,
        "first-at": "2026-11-25T09:00:00.000Z",
        "last-at": "2026-11-25T09:00:00.000Z",
        "over-at": None,
        "gist": "3 jobs of workflow lung failed",
        "reason": "exit code 3",
        "remedy": "hilum jobs show b2",
        "examples": ["a1", "b2"],
        "gateway": "gw1",
        "link": "https://hilum.example.org/jobs",
    }
    assert "webhook-signature" not in post.headers, "without a secret nothing is signed"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_success_means_taken(hook: Hook, code: int) -> None:
    hook.answer = status(code)
    assert isinstance(tell(Webhook(server=Server(url=hook.url))), Told)


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_a_failure_with_its_reason(hook: Hook, code: int) -> None:
    hook.answer = status(code, b"no such\x1b[2J channel\n\x00 here")
    outcome = tell(Webhook(server=Server(url=hook.url)))
    assert isinstance(outcome, NotTold)
    assert outcome.why.startswith(f"answered {code} ")
    assert outcome.why.endswith("no such [2J channel here")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(hook: Hook, code: int) -> None:
    hook.answer = status(code, Location=f"http://localhost:{hook.port}/elsewhere")
    outcome = tell(Webhook(server=Server(url=hook.url)))
    assert isinstance(outcome, NotTold)
    assert "/elsewhere: redirects are not followed; write the address itself" in outcome.why
    assert [post.path for post in hook.posts] == ["/hook?to=desk"]


def test_no_answer_is_a_failure() -> None:
    outcome = tell(Webhook(server=Server(url=f"http://127.0.0.1:{free_port()}/")))
    assert outcome == NotTold(why="cannot be reached: Connection refused")


def test_no_secret_shows_where_a_webhook_is_shown() -> None:
    channel = Webhook(server=Server(url="https://example.org/", authorization="Bearer let-me-in"), secret="key-of-all")
    assert "let-me-in" not in repr(channel)
    assert "key-of-all" not in repr(channel)
