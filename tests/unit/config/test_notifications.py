from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from hilum.config import Settings, diff, dump, needs_restart, warnings
from hilum.config import notifications as module
from hilum.errors import Problem
from hilum.model import Topic

Read = Callable[..., Settings]
Refuse = Callable[..., tuple[Problem, ...]]

HOOK = "url: https://example.org/hook"
MAIL = "host: m, from: a@b.org, to: [c@d.org]"


def hook(more: str = HOOK) -> str:
    return f"notifications: {{webhooks: {{a: {{{more}}}}}}}"


def mail(more: str = MAIL) -> str:
    return f"notifications: {{mail: {{a: {{{more}}}}}}}"


def expected(more: str) -> str:
    return f"notifications: {{expected: [{{source: CT2, {more}}}]}}"


def test_a_channel_is_about_everything_unless_it_says_less(read: Read) -> None:
    assert read(hook()).notifications.webhooks["a"].about == tuple(Topic)
    assert read(hook(f"{HOOK}, about: [disk-full]")).notifications.webhooks["a"].about == (Topic.DISK_FULL,)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_security(read: Read, security: str, port: int) -> None:
    settings = read(mail(f"{MAIL}, security: {security}"))
    assert settings.notifications.mail["a"].real_port == port
    assert read(mail(f"{MAIL}, port: 2525")).notifications.mail["a"].real_port == 2525


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (hook("url: ftp://x"), "webhooks.a.url", "expected a URL that begins with https:// or http://"),
        (hook("url: 'https://'"), "webhooks.a.url", "and a host"),
        (hook("url: 'https://h:99999/'"), "webhooks.a.url", "not a valid URL"),
        (hook("url: 'https://user:hush@h/'"), "webhooks.a.url", "put the credentials into authorization"),
        (hook("url: 'https://h/#x'"), "webhooks.a.url", "without '#'"),
        (hook("secret: x"), "webhooks.a.url", "this key is missing: address to POST to"),
        (hook(f"{HOOK}, about: [job-faild]"), "webhooks.a.about[0]", "did you mean 'job-failed'?"),
        (hook(f"{HOOK}, about: []"), "webhooks.a.about", "this is empty"),
        (hook(f"{HOOK}, secret: 5"), "webhooks.a.secret", "found something else; put it in quotes"),
        (mail("host: m, from: a, to: [c@d.org]"), "mail.a.from", "expected an e-mail address"),
        (mail("host: m, from: 'A <a@b.org', to: [c@d.org]"), "mail.a.from", "expected an e-mail address"),
        (mail("host: m, from: a@b.org, to: []"), "mail.a.to", "at least one entry"),
        (mail("host: m, from: a@b.org, to: ['c@d.org, e@f.org']"), "mail.a.to[0]", "expected an e-mail address"),
        (mail(f"{MAIL}, password: hush"), "mail.a.password", "no user to log in"),
        (mail(f"{MAIL}, security: ssl"), "mail.a.security", "expected 'starttls', 'tls' or 'none'"),
        (expected("by: 8:00"), "expected[0].by", "time of day"),
        (expected("by: '24:00'"), "expected[0].by", "expected a time of day such as '08:00'"),
        (expected("by: '08:00', since: '08:00'"), "expected[0].by", "is not after since (08:00)"),
        (expected("by: '08:00', days: [mo]"), "expected[0].days[0]", "'mon'"),
        (expected("by: '08:00', timezone: Europe/Berln"), "expected[0].timezone", "did you mean 'Europe/Berlin'?"),
        (
            f"notifications: {{webhooks: {{a: {{{HOOK}}}}}, mail: {{a: {{{MAIL}}}}}}}",
            "mail.a",
            "is a webhook already; give it another name",
        ),
        ("web: {public-url: hilum}", "web.public-url", "expected a URL"),
    ],
)
def test_mistakes_are_told_with_their_place(refuse: Refuse, text: str, path: str, words: str) -> None:
    (problem,) = refuse(text)
    assert problem.path in {path, f"notifications.{path}"}
    assert words in problem.message
    assert "hush" not in problem.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (hook(), "notices are not signed"),
        (hook("url: 'http://h/', secret: s, authorization: x"), "authorization is sent as it is"),
        (mail(f"{MAIL}, security: none, user: u, password: p"), "the password is sent as it is"),
        (expected("by: '08:00'"), "nobody is told when a source is quiet"),
        (
            "dicom: {scp: {sources: [{host-ip: h, ae-title: CT1}]}}\n" + expected("by: '08:00'"),
            "CT2 is not in dicom.scp.sources",
        ),
    ],
)
def test_what_is_probably_not_meant_is_warned_of(read: Read, text: str, words: str) -> None:
    assert any(words in one.message for one in warnings(read(text)))


def test_secrets_are_masked_and_can_come_from_elsewhere(read: Read, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("from a file\n")
    settings = read(
        f"notifications: {{webhooks: {{a: {{{HOOK}, secret: hush1}}}}, "
        f"mail: {{b: {{{MAIL}, user: u, password: hush2}}}}}}",
        {
            "HILUM__NOTIFICATIONS__WEBHOOKS__A__SECRET_FILE": str(tmp_path / "hook"),
            "HILUM__NOTIFICATIONS__WEBHOOKS__A__AUTHORIZATION": "Bearer: hush3",
        },
    )
    assert settings.notifications.webhooks["a"].secret == "from a file"
    assert settings.notifications.webhooks["a"].authorization == "Bearer: hush3"
    shown = dump(settings) + repr(settings)
    assert not any(secret in shown for secret in ("hush1", "hush2", "hush3", "from a file"))
    assert shown.count("********") == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "one line"), (b"two\nlines", "one line"), (b"\xff", "not UTF-8")],
)
def test_a_file_of_a_secret_must_hold_one(refuse: Refuse, tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    (problem,) = refuse("{}", {"HILUM__WEB__TOKEN_FILE": str(file)})
    assert problem.where == "HILUM__WEB__TOKEN_FILE"
    assert words in problem.message


def test_only_secrets_have_files(refuse: Refuse, tmp_path: Path) -> None:
    (problem,) = refuse("{}", {"HILUM__WEB__HOST_FILE": str(tmp_path)})
    assert "unknown key 'host-file'" in problem.message


def test_a_change_applies_at_once_and_names_the_channel(read: Read) -> None:
    old, new = read(hook()), read(hook("url: https://example.org/other"))
    assert diff(old, new) == ["notifications.webhooks[a].url"]
    assert needs_restart(old, new) == []


def test_files_begin_at_the_folder_of_the_configuration(read: Read, tmp_path: Path) -> None:
    settings = read(hook(f"{HOOK}, ca-file: ca.pem"))
    assert settings.notifications.webhooks["a"].ca_file == tmp_path / "ca.pem"


def test_the_zone_of_the_machine_counts_if_none_is_given(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = read(expected("by: '08:00'")).notifications.expected
    monkeypatch.setattr(module, "_LOCALTIME", Path("/usr/share/zoneinfo/Asia/Tokyo"))
    assert one.zone.utcoffset(datetime(2026, 11, 25)).total_seconds() == 9 * 3600  # type: ignore[union-attr]  # noqa: DTZ001
    monkeypatch.setattr(module, "_LOCALTIME", tmp_path / "gone")
    assert str(one.zone) == "UTC"
