"""Asks a platform by the platform API: a method for each operation, and one place for what can go wrong.

Source: docs/platform-api.yaml.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, Final, NoReturn
from urllib.parse import quote

from hilum.clock import Clock, utc_now
from hilum.engine.http.answers import Content, Job, Stage, contents_of, job_of, jobs_of
from hilum.engine.port import UnwellError
from hilum.errors import PermanentError
from hilum.exchange import Answer, NoAnswer, Server, printable
from hilum.signature import signed_headers

#: Of the platform API; a platform with another one cannot be talked to.
VERSION: Final = "1"
#: As many jobs are asked about at once.
_BATCH: Final = 500
#: A list of a hundred thousand results is shorter.
_LONGEST_LIST: Final = 32 * 1024 * 1024
#: A file gets, beside the time of a request, a second for each of so many bytes.
_SLOWEST: Final = 1_000_000
_PIECE: Final = 1024 * 1024
#: People wait for a log.
_LOG_SECONDS: Final = 5
#: The longest that a platform can ask to be left in peace.
_LONGEST_WAIT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform, and what to sign requests with. Every operation is idempotent.

    Every one raises ``UnwellError`` when the platform cannot do it now, and ``PermanentError`` when it never will.

    Attributes:
        name: Of the entry of ``engines``.
        secret: Key of the signature; ``None``: requests are not signed.
    """

    name: str
    server: Server
    secret: str | None = field(default=None, repr=False)
    clock: Clock = utc_now

    def describe(self) -> str:
        """What it calls itself.

        Raises:
            UnwellError: Also when it speaks another version of the platform API.
        """
        answer = self._asked("GET", "/")
        document = self._document(answer)
        version = document.get("platform-api") if isinstance(document, dict) else None
        if version != VERSION:
            self._broken(f"'platform-api' is {version!r:.40}, expected '{VERSION}'")
        return str(document.get("name", ""))[:100]

    def create(self, key: str, description: Mapping[str, Any]) -> Job:
        """Tell it of a job, which does not run yet.

        Raises:
            PermanentError: Another one has the key, or it refuses this one.
        """
        body = json.dumps(description, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._job(self._asked("PUT", f"/jobs/{_quoted(key)}", headers=headers, body=body))

    def put(self, key: str, content: Content, file: BinaryIO) -> None:
        """Send it an input; ``file`` is read from its begin.

        Raises:
            OSError: The file cannot be read.
        """
        digest = base64.b64encode(bytes.fromhex(content.sha256)).decode()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(content.size),
            "Content-Digest": f"sha-256=:{digest}:",
        }
        where = f"/jobs/{_quoted(key)}/input/{_quoted(content.path)}"
        signed = self._signed("PUT", where, _pieces(file))
        file.seek(0)
        answer = self.server.ask(
            "PUT", where, headers=headers | signed, body=file, timeout=self._time_for(content.size)
        )
        self._taken(answer)

    def start(self, key: str) -> Job:
        """Have a job run; one that runs or has ended stays as it is. One that is not known is ``UNKNOWN``."""
        return self._job_or_unknown(self._told("POST", f"/jobs/{_quoted(key)}/start"))

    def cancel(self, key: str) -> Job:
        """Have a job end, and never start if it has not. One that is not known is ``UNKNOWN``."""
        return self._job_or_unknown(self._told("POST", f"/jobs/{_quoted(key)}/cancel"))

    def look(self, keys: Sequence[str]) -> Mapping[str, Job]:
        """How far jobs are, an answer for each."""
        found: dict[str, Job] = {}
        for begin in range(0, len(keys), _BATCH):
            batch = keys[begin : begin + _BATCH]
            body = json.dumps({"keys": batch}).encode()
            answer = self._asked("POST", "/status", headers={"Content-Type": "application/json"}, body=body)
            try:
                found |= jobs_of(self._document(answer), frozenset(batch))
            except ValueError as error:
                self._broken(str(error))
        return found

    def log(self, key: str, tail: int) -> bytes:
        """The last lines of what a job wrote; empty if it is not known."""
        soon = min(self.server.timeout, _LOG_SECONDS)
        answer = self._told("GET", f"/jobs/{_quoted(key)}/log?tail={tail}", timeout=soon)
        return b"" if _is_unknown(answer) else self._taken(answer).body

    def outputs(self, key: str, *, largest: int) -> tuple[Content, ...] | None:
        """What a job wrote; ``None``: it is not known.

        Raises:
            PermanentError: The list names a file that must not be written.
        """
        answer = self._told("GET", f"/jobs/{_quoted(key)}/output")
        if _is_unknown(answer):
            return None
        document = self._document(self._taken(answer))
        try:
            return contents_of(document, largest=largest)
        except ValueError as error:
            raise PermanentError(f"{self._who}: its results cannot be taken: {error}") from None

    def get(self, key: str, content: Content, into: BinaryIO) -> None:
        """Have a result written to the end of a file; that it is the right one is the caller's to find out.

        Raises:
            OSError: The file cannot be written.
        """
        where = f"/jobs/{_quoted(key)}/output/{_quoted(content.path)}"
        signed = self._signed("GET", where, [])
        answer = self.server.ask(
            "GET", where, headers=signed, into=into, limit=content.size, timeout=self._time_for(content.size)
        )
        if flaw := self._taken(answer).flaw:
            self._broken(flaw)

    @property
    def _who(self) -> str:
        return f"engine {self.name!r}, the platform at {self.server.url}"

    def _time_for(self, size: int) -> float:
        return self.server.timeout + size / _SLOWEST

    def _signed(self, method: str, below: str, body: Iterator[bytes] | Sequence[bytes]) -> dict[str, str]:
        return signed_headers(self.secret, f"{method} {below}", self.clock(), body)

    def _told(
        self,
        method: str,
        below: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Answer:
        """What it said, good or bad."""
        every = {**(headers or {}), **self._signed(method, below, [body])}
        answer = self.server.ask(method, below, headers=every, body=body, limit=_LONGEST_LIST, timeout=timeout)
        return self._answer(answer)

    def _asked(self, method: str, below: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        return self._taken(self._told(method, below, headers=headers, body=body))

    def _answer(self, answer: Answer | NoAnswer) -> Answer:
        if isinstance(answer, NoAnswer):
            raise UnwellError(f"{self._who}: {answer.why}; is it running, is the address right?")
        return answer

    def _taken(self, answer: Answer | NoAnswer) -> Answer:
        """The answer if it is a success; otherwise whose fault it is, and what to do."""
        answer = self._answer(answer)
        if answer.success:
            return answer
        said = f"{self._who}, {_said(answer)}"
        key = f"engines.{self.name}"
        match answer.status:
            case 401:
                raise UnwellError(f"{said}: it does not accept the token; correct {key}.token")
            case 403:
                raise UnwellError(f"{said}: token or signature do not suffice; correct {key}.token and {key}.secret")
            case 404 | 405:
                raise UnwellError(f"{said}: the platform API is not there; correct {key}.url")
            case 409:
                raise PermanentError(f"{said}: it has the key with other content, or cannot do that with its job now")
            case 413:
                raise PermanentError(f"{said}: the job is more than it takes; raise the limit of the platform")
            case 408 | 425 | 429 | 503:
                raise UnwellError(f"{said}: it is busy", retry_after=self._wait(answer))
            case status if status >= 500:
                raise UnwellError(f"{said}: a fault of the platform; see its log", retry_after=self._wait(answer))
            case status if status < 400:
                raise UnwellError(f"{said}; correct {key}.url")
            case _:
                raise PermanentError(f"{said}: it refuses the job; see its log and the workflow")

    def _wait(self, answer: Answer) -> timedelta | None:
        """How long it asked to be left in peace. Source: RFC 9110 10.2.3."""
        text = answer.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 10:
            wait = timedelta(seconds=int(text))
        else:
            try:
                wait = parsedate_to_datetime(text) - self.clock()
            except (ValueError, TypeError):  # none, no date, or one without a zone
                return None
        return max(timedelta(seconds=1), min(wait, _LONGEST_WAIT))

    def _document(self, answer: Answer) -> Any:  # noqa: ANN401 - whatever JSON says
        try:
            return answer.document()
        except ValueError as error:
            self._broken(str(error))

    def _job(self, answer: Answer) -> Job:
        try:
            return job_of(self._document(answer))
        except ValueError as error:
            self._broken(str(error))

    def _job_or_unknown(self, answer: Answer) -> Job:
        return Job(stage=Stage.UNKNOWN) if _is_unknown(answer) else self._job(self._taken(answer))

    def _broken(self, what: str) -> NoReturn:
        raise UnwellError(f"{self._who}: its answer is not what the platform API says: {what}; a fault of the platform")


def _said(answer: Answer) -> str:
    """What a platform says for people, which is in the answer's detail. Source: RFC 9457 3.1.4."""
    try:
        document = answer.document()
    except ValueError:
        return answer.why
    detail = document.get("detail") if isinstance(document, dict) else None
    if not isinstance(detail, str) or 300 <= answer.status < 400:
        return answer.why
    return f"answered {answer.said}: {printable(detail)}"


def _is_unknown(answer: Answer) -> bool:
    """The platform itself says that there is no such job: others answer 404, too, when an address is wrong."""
    if answer.status != 404:
        return False
    try:
        document = answer.document()
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("stage") == Stage.UNKNOWN


def _quoted(text: str) -> str:
    return quote(text, safe="/")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
