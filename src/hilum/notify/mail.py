"""Tells by e-mail: plain text through one SMTP server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Final

from hilum.deadline import Deadline
from hilum.model import Phase
from hilum.notify.port import Message, NotTold, Told

#: Longest subject line, in characters.
_SUBJECT: Final = 150
_KEPT: Final = 300
#: Lines that are not folded: a subject in one piece reads better in logs, and plain ASCII stays plain.
#: Source: RFC 5322 2.1.1, at most 998 characters.
_POLICY: Final = SMTP.clone(max_line_length=900)


class Security(StrEnum):
    """How the way to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Some mailboxes; see ``hilum.notify.port.Channel``.

    Attributes:
        security: With TLS the server's certificate is verified.
        user, password: For the login; ``None``: there is none.
        sender: Address, or name and address.
        recipients: Addresses; never empty.
        timeout: Seconds for the whole conversation.
        authorities: Certificates to verify the server by, in PEM; ``None``: those of the system.
    """

    host: str
    port: int
    security: Security
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 20
    authorities: Path | None = None

    def tell(self, message: Message, clock: Callable[[], datetime]) -> Told | NotTold:
        """As ``port.Channel`` says. Who takes it for one recipient only is not asked again for the others."""
        letter = compose(message, sender=self.sender, recipients=self.recipients, now=clock())
        try:
            context = self._context()
        except OSError as error:
            return NotTold(why=f"ca-file {self.authorities} cannot be used: {error.strerror or error}")
        talk: list[smtplib.SMTP] = []
        with Deadline(self.timeout, lambda: talk[-1].sock if talk else None) as deadline:
            try:
                return self._send(letter, context, talk)
            except (OSError, smtplib.SMTPException, ValueError) as error:
                return NotTold(why=self._why(error, expired=deadline.expired))
            finally:
                for one in talk:
                    one.close()

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self.authorities is None else str(self.authorities))

    def _send(self, letter: EmailMessage, context: ssl.SSLContext, talk: list[smtplib.SMTP]) -> Told | NotTold:
        if self.security is Security.TLS:
            server: smtplib.SMTP = _Secure(self.host, self.port, timeout=self.timeout, context=context, talk=talk)
        else:
            server = _Plain(self.host, self.port, timeout=self.timeout, talk=talk)
        if self.security is Security.STARTTLS:
            server.starttls(context=context)
        if self.user is not None:
            server.login(self.user, self.password or "")
        refused = server.send_message(letter, from_addr=parseaddr(self.sender)[1], to_addrs=list(self.recipients))
        with suppress(OSError, smtplib.SMTPException):  # it has the letter
            server.quit()
        if refused:
            told = len(self.recipients) - len(refused)
            return Told(answer=f"taken for {told} of {len(self.recipients)}; refused: {_refusals(refused)}")
        return Told(answer=f"taken for {len(self.recipients)}")

    def _why(self, error: Exception, *, expired: bool) -> str:
        match error:
            case _ if expired or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
                return f"no answer within {self.timeout:g} s"
            case smtplib.SMTPAuthenticationError():
                return f"the login was refused: {_said(error.smtp_code, error.smtp_error)}"
            case smtplib.SMTPRecipientsRefused():
                return f"every recipient was refused: {_refusals(error.recipients)}"
            case smtplib.SMTPNotSupportedError():
                return f"{_printable(str(error)).rstrip('.')}; see security, user and password of this channel"
            case smtplib.SMTPResponseException():
                return f"answered {_said(error.smtp_code, error.smtp_error)}"
            case smtplib.SMTPServerDisconnected():
                return "the server ended the conversation"
            case smtplib.SMTPException():
                return f"{_printable(str(error)).rstrip('.')}; see user and password of this channel"
            case ssl.SSLCertVerificationError():
                return f"the server's certificate is not trusted: {error.verify_message}; see ca-file"
            case ssl.SSLError():
                return f"TLS failed: {error.reason or error}; see security of this channel"
            case OSError():
                return f"cannot be reached: {error.strerror or error}"
            case _:
                return f"what came back is not SMTP: {type(error).__name__}"


class _Plain(smtplib.SMTP):
    """Known from before its first byte, so that the deadline can end it."""

    def __init__(self, host: str, port: int, *, timeout: float, talk: list[smtplib.SMTP]) -> None:
        talk.append(self)
        super().__init__(host, port, local_hostname=_own_name(), timeout=timeout)


class _Secure(smtplib.SMTP_SSL):
    """The same within TLS."""

    def __init__(
        self, host: str, port: int, *, timeout: float, context: ssl.SSLContext, talk: list[smtplib.SMTP]
    ) -> None:
        talk.append(self)
        super().__init__(host, port, local_hostname=_own_name(), timeout=timeout, context=context)


def _own_name() -> str:
    """What to say in EHLO, without asking a name server for it, which can take long. Source: RFC 5321 4.1.3."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


def compose(message: Message, *, sender: str, recipients: tuple[str, ...], now: datetime) -> EmailMessage:
    """The letter."""
    letter = EmailMessage(policy=_POLICY)
    mark = {Phase.OVER: "over: "}.get(message.phase, "")
    letter["Subject"] = _printable(f"[{message.gateway}] {mark}{message.gist}")[:_SUBJECT]
    letter["From"] = sender
    letter["To"] = ", ".join(recipients)
    letter["Date"] = format_datetime(now)
    letter["Message-ID"] = f"<{message.key}@hilum>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers this
    letter["Hilum-Topic"] = message.topic
    lines = [f"{message.gist}.", ""]
    lines += _pair("Reason", message.reason)
    lines += _pair("What to do", message.remedy)
    lines += _pair("How often", f"{message.count} times" if message.count > 1 else "")
    lines += _pair("First", _clock(message.first_at)) if message.count > 1 else []
    once = "Since" if message.phase is Phase.BEGAN else "When"
    lines += _pair("Last" if message.count > 1 else once, _clock(message.last_at))
    lines += _pair("Over since", "" if message.over_at is None else _clock(message.over_at))
    lines += _pair("Among them" if message.count > len(message.examples) else "Which", ", ".join(message.examples))
    lines += _pair("Dashboard", message.link)
    lines += _pair("Gateway", message.gateway)
    letter.set_content("\n".join(lines) + "\n")
    return letter


def _pair(name: str, value: str) -> list[str]:
    return [f"{name + ':':<12} {_printable(value)}"] if value else []


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return _printable(f"{code} {words}")[:_KEPT]


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address}: {_said(code, text)}" for address, (code, text) in sorted(refused.items()))[:_KEPT]


def _printable(text: str) -> str:
    """One line: a line break in a header would begin another header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
