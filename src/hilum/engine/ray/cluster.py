"""Asks a Ray cluster, by the REST API of its head.

Source: Ray Jobs REST API, version 4; Ray State API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hilum.engine.port import UnwellError
from hilum.engine.ray import policy
from hilum.engine.ray.policy import Node, Told
from hilum.errors import PermanentError, TemporaryError
from hilum.exchange import Answer, NoAnswer, Server

#: So many jobs are asked about one by one; more are looked up in the list of all jobs that the cluster remembers.
ONE_BY_ONE: Final = 4
#: Bytes of that list. A longer one is not read: then all are asked about one by one.
_MAX_LIST: Final = 16 * 1024 * 1024
#: Bytes of the answer about one job, and of that about the nodes.
_MAX_ANSWER: Final = 4 * 1024 * 1024
#: Bytes and lines of a log.
MAX_LOG: Final = 1024 * 1024
MAX_LINES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster, as its head tells of it. What keeps it from answering at all is an ``UnwellError``.

    Attributes:
        name: Of the entry of ``engines``, for messages.
        server: Its dashboard.
    """

    name: str
    server: Server

    def find(self, submission: str) -> Told | None:
        """What it says of a job; ``None``: it does not know it.

        Raises:
            TemporaryError: It cannot be asked just now, or what answers is not Ray.
        """
        answer = self._ask("GET", f"/api/jobs/{quote(submission, safe='')}")
        # Whatever stands between here and the head may have a 404 of its own.
        if answer.status == 404 and submission.encode() in answer.body:
            return None
        found = policy.told(self._document(answer))
        if found is None:
            raise TemporaryError(f"{self._head} tells nothing of job {submission} that is understood")
        return found

    def find_all(self, submissions: Sequence[str]) -> Mapping[str, Told | None]:
        """The same of many jobs, in few requests.

        Raises:
            TemporaryError: As ``find``.
        """
        listed = self._list() if len(submissions) > ONE_BY_ONE else {}
        # What is not in the list is asked about by itself before anything is concluded from that.
        return {one: listed[one] if one in listed else self.find(one) for one in submissions}

    def _list(self) -> Mapping[str, Told]:
        answer = self._ask("GET", "/api/jobs/", limit=_MAX_LIST)
        try:
            document = answer.document() if answer.success else None
        except ValueError:
            return {}
        entries = document if isinstance(document, list) else ()
        found = {one.get("submission_id"): policy.told(one) for one in entries if isinstance(one, Mapping)}
        return {name: one for name, one in found.items() if isinstance(name, str) and one is not None}

    def submit(self, request: Mapping[str, Any]) -> bool:
        """Hand a job over.

        Returns:
            Whether it was taken; ``False``: that is not known.

        Raises:
            TemporaryError: It was not taken, for now.
            PermanentError: It will never be taken as it is.
        """
        headers = {"Content-Type": "application/json"}
        body = json.dumps(request).encode()
        answer = self.server.ask("POST", "/api/jobs/", headers=headers, body=body, limit=_MAX_ANSWER)
        if isinstance(answer, NoAnswer):
            return False
        if answer.success:
            return True
        # A submission that it has already is answered as a failure, too.
        try:
            if self.find(str(request["submission_id"])) is not None:
                return True
        except TemporaryError:
            return False
        status = policy.refusal(answer.status, answer.body.decode("utf-8", "replace"))
        if status in {400, 413, 422}:
            raise PermanentError(f"{self._head} refuses the job: {_gist(answer)}; see its entry in engines")
        self._refuse(answer)
        raise UnwellError(f"{self._head} does not take jobs now: {_gist(answer)}")

    def stop(self, submission: str) -> None:
        """Have a job stopped; one that is over or that it does not know is left as it is.

        Raises:
            TemporaryError: Not now.
        """
        answer = self._ask("POST", f"/api/jobs/{quote(submission, safe='')}/stop")
        if not answer.success and not (answer.status == 404 and submission.encode() in answer.body):
            raise TemporaryError(f"{self._head} does not stop the job now: {_gist(answer)}")

    def log(self, submission: str, lines: int) -> bytes:
        """The end of what a job wrote, at most ``MAX_LOG`` bytes; empty if it has not run, or is not known.

        Raises:
            TemporaryError: Not now, or the machine that has it is gone.
        """
        found = self.find(submission)
        if found is None or not found.node:
            return b""
        many = max(1, min(lines, MAX_LINES))
        where = f"node_id={quote(found.node, safe='')}&filename=job-driver-{quote(submission, safe='')}.log"
        while True:
            answer = self._ask("GET", f"/api/v0/logs/file?{where}&lines={many}", limit=MAX_LOG)
            if not answer.success:
                raise TemporaryError(f"{self._head} has no log of the job: {_gist(answer)}")
            if answer.size <= MAX_LOG or many == 1:
                return answer.body
            many = max(1, many // 10)  # the end is what counts, and is what is cut off

    def version(self) -> str:
        """Which version of Ray it runs.

        Raises:
            TemporaryError: As ``find``.
        """
        document = self._document(self._ask("GET", "/api/version"))
        found = document.get("ray_version") if isinstance(document, Mapping) else None
        if not isinstance(found, str):
            raise UnwellError(f"{self._head} does not say which version of Ray it has: is it Ray's dashboard?")
        return found

    def nodes(self) -> Sequence[Node] | None:
        """Its living nodes; ``None``: it does not tell.

        Raises:
            TemporaryError: It cannot be asked just now.
        """
        answer = self._ask("GET", "/api/v0/nodes?detail=1&limit=10000")
        try:
            return policy.nodes(answer.document()) if answer.success else None
        except ValueError:
            return None

    @property
    def _head(self) -> str:
        return f"the Ray cluster of engine {self.name!r} at {self.server.url}"

    def _ask(self, method: str, below: str, *, limit: int = _MAX_ANSWER) -> Answer:
        answer = self.server.ask(method, below, limit=limit)
        if isinstance(answer, NoAnswer):
            raise UnwellError(f"{self._head}: {answer.why}")
        self._refuse(answer)
        return answer

    def _refuse(self, answer: Answer) -> None:
        if answer.status in {401, 403}:
            what = "wants a token" if answer.status == 401 else "does not take this token"
            raise UnwellError(f"{self._head} {what}: set token to the RAY_AUTH_TOKEN of the cluster")

    def _document(self, answer: Answer) -> Any:  # noqa: ANN401 - whatever JSON says
        if not answer.success:
            raise UnwellError(f"{self._head}: {_gist(answer)}; is it Ray's dashboard?")
        try:
            return answer.document()
        except ValueError as error:
            raise TemporaryError(f"{self._head}: {error}") from None


def _gist(answer: Answer) -> str:
    """What went wrong, in a line: of a traceback the end, which is what it is about."""
    text = answer.body[:_MAX_ANSWER].decode("utf-8", "replace")
    if "Traceback" not in text:
        return answer.why
    lines = [line for line in re.split(r"\n|\\n", text) if line.strip(" .'\"")]
    return f"answered {answer.said}: {lines[-1].strip()[:300]}"
