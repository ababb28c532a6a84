"""The log: one line per event, a fixed name first, then what it is about. No personal data.

Whatever the thread of an association or a step says of its work has the ids of that association, job or group: they
are bound to the thread, not told to each call. docs/log.md lists the names.

On a terminal the lines are for people, elsewhere they are JSON, one object a line. ``HILUM_LOG`` (``console`` or
``json``) and ``HILUM_LOG_LEVEL`` (``debug``, ``info``, ``warning``, ``error``) choose otherwise.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from hilum import words
from hilum.observe.repeats import Repeats


def configure() -> None:
    """Send everything that is logged, by whichever library, to standard error in one form."""
    as_json = os.environ.get("HILUM_LOG", "console" if sys.stderr.isatty() else "json") == "json"
    level = logging.getLevelNamesMapping().get(os.environ.get("HILUM_LOG_LEVEL", "info").upper(), logging.INFO)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _discreet,
        _harmless,
    ]
    # Not the defaults, which show the local variables of each frame: patient IDs among them.
    without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    plain = structlog.dev.plain_traceback
    last: list[Processor] = (
        [structlog.processors.ExceptionRenderer(without_locals), structlog.processors.JSONRenderer(ensure_ascii=True)]
        if as_json
        else [structlog.dev.ConsoleRenderer(timestamp_key="at", pad_event_to=28, exception_formatter=plain)]
    )
    structlog.configure(
        processors=[*shared, Repeats(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Its INFO is about its own migrations table, not about the gateway.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _discreet(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What a peer said stands in the ledger alone: it may name a patient."""
    return {key: words.discreet(value) if isinstance(value, str) else value for key, value in event.items()}


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Peers choose AE titles and comments: none of them may end a line or command the terminal."""
    return {key: _printable(value) for key, value in event.items()}


def _printable(value: Any) -> Any:  # noqa: ANN401  whatever is logged
    if isinstance(value, str) and not value.isprintable():
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in value)
    return value
