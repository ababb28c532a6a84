"""Mail through a server that works, and through those that do not."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.authority import Authority
from harness.mailbox import Mailbox
from harness.raw_server import raw_server
from hilum.model import Phase
from hilum.notify.mail import Mail, Security
from hilum.notify.port import Message, NotTold, Told
from stage.notify.conftest import MESSAGE, NOW


def mail(box: Mailbox, **other: Any) -> Mail:
    plain = Mail(
        host="localhost",
        port=box.port,
        security=Security.NONE,
        sender="Hilum <hilum@example.org>",
        recipients=("a@example.org", "b@example.org"),
        timeout=5,
    )
    return replace(plain, **other)


def tell(channel: Mail, message: Message = MESSAGE) -> Told | NotTold:
    return channel.tell(message, lambda: NOW)


def test_the_subject_says_the_gist_and_the_text_what_to_do(box: Mailbox) -> None:
    assert tell(mail(box)) == Told(answer="taken for 2")
    [letter] = box.letters
    assert (letter.sender, letter.recipients) == ("hilum@example.org", ("a@example.org", "b@example.org"))
    assert letter.message["Subject"] == "[gw1] 3 jobs of workflow lung failed"
    assert letter.message["From"] == "Hilum <hilum@example.org>"
    assert letter.message["Message-ID"] == f"<{MESSAGE.key}@hilum>"
    assert letter.message["Auto-Submitted"] == "auto-generated"
    assert letter.message.get_content_type() == "text/plain"
    assert letter.text.splitlines() == [
        "3 jobs of workflow lung failed.",
        "",
        "Reason:      exit code 3",
        "What to do:  hilum jobs show b2",
        "How often:   3 times",
        "First:       2026-11-25 09:00:00 UTC",
        "Last:        2026-11-25 09:00:00 UTC",
        "Among them:  a1, b2",
        "Dashboard:   https://hilum.example.org/jobs",
        "Gateway:     gw1",
    ]


def test_a_long_subject_stays_in_one_piece(box: Mailbox) -> None:
    tell(mail(box), replace(MESSAGE, gist="word " * 60))
    subject = box.letters[0].message["Subject"]
    assert subject.startswith("[gw1] word word")
    assert len(subject) <= 150


def test_an_end_is_marked_as_one(box: Mailbox) -> None:
    over = replace(MESSAGE, phase=Phase.OVER, gist="PACS is up again", count=1, last_at=NOW + timedelta(hours=1))
    tell(mail(box), over)
    assert box.letters[0].message["Subject"] == "[gw1] over: PACS is up again"


def test_what_a_peer_is_called_breaks_no_header(box: Mailbox) -> None:
    evil = replace(MESSAGE, gist="nothing from CT\r\nBcc: all@example.org\n\x1b[2J", subject="CT\r\n.\r\n")
    assert isinstance(tell(mail(box), evil), Told)
    [letter] = box.letters
    assert letter.message["Bcc"] is None
    assert letter.message["Subject"] == "[gw1] nothing from CT Bcc: all@example.org [2J"


def test_words_of_any_language_arrive(box: Mailbox) -> None:
    tell(mail(box), replace(MESSAGE, gist="Wächter: 肺 failed"))
    assert box.letters[0].message["Subject"] == "[gw1] Wächter: 肺 failed"
    assert box.letters[0].text.startswith("Wächter: 肺 failed.")


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_tls_is_verified_and_the_login_goes_through_it(authority: Authority, security: Security) -> None:
    how = {"security": security, "user": "hilum", "password": "right"}
    with Mailbox(tls=authority.server, at_once=security is Security.TLS, passwords={"hilum": "right"}) as box:
        stranger = tell(mail(box, **how))
        assert isinstance(stranger, NotTold)
        assert stranger.why.startswith("the server's certificate is not trusted: ")
        assert box.letters == []
        assert isinstance(tell(mail(box, **how, authorities=authority.file)), Told)
        [letter] = box.letters
        assert letter.secure
        assert letter.login == "hilum"
        wrong = tell(mail(box, **how | {"password": "wrong"}, authorities=authority.file))
        assert wrong == NotTold(why="the login was refused: 535 wrong password")


def test_a_server_without_starttls_gets_no_password(box: Mailbox) -> None:
    outcome = tell(mail(box, security=Security.STARTTLS, user="hilum", password="secret"))
    assert isinstance(outcome, NotTold)
    assert "STARTTLS extension not supported" in outcome.why
    assert "see security" in outcome.why


def test_a_server_that_knows_no_login(box: Mailbox) -> None:
    outcome = tell(mail(box, user="hilum", password="secret"))
    assert isinstance(outcome, NotTold)
    assert "secret" not in outcome.why


def test_one_recipient_of_two_is_enough(box: Mailbox) -> None:
    box.answers["RCPT TO:<A@EXAMPLE.ORG>"] = "550 no such box"
    outcome = tell(mail(box))
    assert outcome == Told(answer="taken for 1 of 2; refused: a@example.org: 550 no such box")
    assert box.letters[0].recipients == ("b@example.org",)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("RCPT", "every recipient was refused: a@example.org: 452 full; b@example.org: 452 full"),
        ("MAIL", "answered 452 full"),
        ("DATA", "answered 452 full"),
    ],
)
def test_what_the_server_refuses_is_the_reason(box: Mailbox, command: str, why: str) -> None:
    box.answers[command] = "452 full"
    assert tell(mail(box)) == NotTold(why=why)
    assert box.letters == []


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outcome = tell(mail(Mailbox(port=port), host="127.0.0.1"))
    assert outcome == NotTold(why="cannot be reached: Connection refused")


@pytest.mark.parametrize("security", Security)
def test_a_server_that_hangs_is_left_in_time(security: Security) -> None:
    with raw_server(lambda _peer, over: over.wait() and None) as port:
        outcome = tell(mail(Mailbox(port=port), host="127.0.0.1", security=security, timeout=0.3))
    assert outcome == NotTold(why="no answer within 0.3 s")


def test_so_is_one_that_greets_byte_by_byte() -> None:
    def drip(peer: socket.socket, over: Any) -> None:
        peer.sendall(b"220 ")
        while not over.wait(0.02):
            peer.sendall(b"x")

    with raw_server(drip) as port:
        outcome = tell(mail(Mailbox(port=port), host="127.0.0.1", timeout=0.3))
    assert outcome == NotTold(why="no answer within 0.3 s")


@pytest.mark.parametrize("garbage", [b"SSH-2.0-x\r\n", b"\x00\xff\r\n", b"", b"2" * 20_000 + b"\r\n"])
def test_garbage_is_a_failure(garbage: bytes) -> None:
    def talk(peer: socket.socket, _over: Any) -> None:
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass

    with raw_server(talk) as port:
        outcome = tell(mail(Mailbox(port=port), host="127.0.0.1"))
    assert isinstance(outcome, NotTold)
    assert outcome.why.isprintable()


def test_a_file_of_authorities_that_is_gone(box: Mailbox, tmp_path: Path) -> None:
    outcome = tell(mail(box, security=Security.STARTTLS, authorities=tmp_path / "gone.pem"))
    assert outcome == NotTold(why=f"ca-file {tmp_path / 'gone.pem'} cannot be used: No such file or directory")
