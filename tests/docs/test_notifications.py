"""What docs/notifications.md says is so: its example of a configuration, of a body, and how a signature is verified."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hilum import signature
from hilum.config import load, warnings
from hilum.model import Phase, Topic
from hilum.notify import webhook
from hilum.notify.port import Message

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")

MESSAGE = Message(
    key="6e0f5a0e-53c5-4f6c-9d5c-3f0f2b9d7c55",
    topic="job-failed",
    phase=Phase.HAPPENED,
    subject="ct-lung",
    count=3,
    first_at=datetime(2026, 11, 25, 7, 41, 12, 310_000, tzinfo=UTC),
    last_at=datetime(2026, 11, 25, 8, 2, 45, 4_000, tzinfo=UTC),
    over_at=None,
    gist="3 jobs of workflow ct-lung failed",
    reason="exit code 3",
    remedy="",
    examples=("d19237034ac57b51c0c4c2c6c5f42068", "16765ef4555bfc2b2ba5198bdd84cfc5"),
    gateway="hilum1",
    link="https://hilum.example.org/jobs",
)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_of_a_configuration_is_good(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(block("yaml") + "dicom: {scp: {reject-unknown-sources: false}}\n")
    settings = load(path, {})
    assert set(settings.notifications.webhooks) == {"oncall"}
    assert set(settings.notifications.mail) == {"desk"}
    assert [one for one in warnings(settings) if "notifications" in one.path] == []


def test_the_example_of_a_body_is_one() -> None:
    shown = json.loads(block("json"))
    made = json.loads(webhook.body(MESSAGE))
    assert shown | {"remedy": ""} == made


def test_every_key_of_the_body_is_explained() -> None:
    for key in json.loads(webhook.body(MESSAGE)):
        assert f"`{key}`" in PAGE or f'"{key}"' in PAGE


@pytest.mark.parametrize("topic", Topic)
def test_every_topic_is_explained(topic: Topic) -> None:
    assert f"| `{topic.value}` |" in PAGE


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    return names["is_genuine"]  # type: ignore[no-any-return]


def test_the_example_verifies_what_hilum_signs(is_genuine: Callable[..., bool]) -> None:
    body = webhook.body(MESSAGE)

    def headers(at: float, key: str = MESSAGE.key) -> dict[str, str]:
        stamp = str(int(at))
        return {
            "webhook-id": key,
            "webhook-timestamp": stamp,
            "webhook-signature": signature.sign("a long random text", MESSAGE.key, stamp, [body]),
        }

    now = time.time()
    assert is_genuine("a long random text", headers(now), body)
    assert not is_genuine("another", headers(now), body)
    assert not is_genuine("a long random text", headers(now), body + b" ")
    assert not is_genuine("a long random text", headers(now, key="other"), body)
    assert not is_genuine("a long random text", headers(now - 3600), body), "replayed"


def test_secrets_of_standard_webhooks_are_base64() -> None:
    """The example of their specification."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = signature.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", [b'{"test": 2432232314}'])
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
