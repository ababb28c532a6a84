"""A mail server in the process of the test: as much of SMTP as a client needs, and answers as it is told."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass(frozen=True)
class Letter:
    """One mail that was taken."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    secure: bool
    login: str

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self) -> str:
        return str(self.message.get_content())


@dataclass
class Mailbox:
    """Listens on a free port of the loopback.

    Attributes:
        tls: For STARTTLS, or from the first byte if ``at_once``.
        passwords: By user; empty: nobody may log in.
        answers: By the beginning of a command, in capitals, what is said instead of yes:
            ``{"RCPT TO:<A@B>": "550 no such box"}``.
    """

    port: int = 0
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    passwords: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)

    def __enter__(self) -> Mailbox:
        box = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Talk(box, self).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                """A client that breaks off is part of the tests."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Talk:
    def __init__(self, box: Mailbox, handler: socketserver.StreamRequestHandler) -> None:
        self.box, self.socket, self.file = box, handler.connection, handler.rfile
        self.secure, self.login, self.sender = False, "", ""
        self.recipients: list[str] = []

    def run(self) -> None:
        if self.box.at_once:
            self.protect()
        try:
            self.say("220 box ESMTP")
            while line := self.file.readline():
                if not self.obey(line.decode().strip()):
                    return
        finally:
            if self.secure:
                self.socket.close()

    def protect(self) -> None:
        assert self.box.tls is not None
        self.socket = self.box.tls.wrap_socket(self.socket, server_side=True)
        self.file, self.secure = self.socket.makefile("rb"), True

    def say(self, text: str) -> None:
        self.socket.sendall(f"{text}\r\n".encode())

    def obey(self, line: str) -> bool:
        verb = line.split(" ", maxsplit=1)[0].upper()
        if answer := next((said for command, said in self.box.answers.items() if line.upper().startswith(command)), ""):
            self.say(answer)
        elif verb == "EHLO":
            extra = "250-STARTTLS\r\n" if self.box.tls and not self.secure else ""
            self.say(f"250-box\r\n{extra}{'250-AUTH PLAIN' if self.box.passwords else '250-8BITMIME'}\r\n250 HELP")
        elif verb == "STARTTLS":
            self.say("220 go on")
            self.protect()
        elif verb == "AUTH":
            _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
            right = self.box.passwords.get(user) == password
            self.login = user if right else ""
            self.say("235 welcome" if right else "535 wrong password")
        elif verb == "MAIL":
            self.sender, self.recipients = line.split("<")[1].split(">", maxsplit=1)[0], []
            self.say("250 ok")
        elif verb == "RCPT":
            self.recipients.append(line.split("<")[1].split(">", maxsplit=1)[0])
            self.say("250 ok")
        elif verb == "DATA":
            self.say("354 go on")
            self.take()
        else:
            self.say("221 bye" if verb == "QUIT" else "250 ok")
        return verb != "QUIT"

    def take(self) -> None:
        lines = []
        while (line := self.file.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        letter = Letter(self.sender, tuple(self.recipients), b"".join(lines), self.secure, self.login)
        self.box.letters.append(letter)
        self.say("250 taken")
