"""The table of operations in docs/api.md: ``python -m hilum.web.reference docs/api.md`` prints the page with it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hilum import config
from hilum.ledger.database import Database
from hilum.observe.metrics import Metrics
from hilum.web.app import application
from hilum.web.desk import Desk

_TABLE: Final = re.compile(r"(?<=<!-- operations: made by scripts/generate-docs -->\n).*?(?=<!-- end -->)", re.DOTALL)


def document() -> dict[str, Any]:
    """The OpenAPI document of a gateway that nobody has configured."""
    settings = config.Settings()
    desk = Desk(
        database=Database("sqlite:///nowhere.db"),
        clock=lambda: datetime.now(UTC),
        owner="",
        started_at=datetime.now(UTC),
        settings=lambda: settings,
        path=None,
        reload=config.Reload,
        congested=lambda: None,
        talking=tuple,
        progress=dict,
        abort=lambda _association, _why: False,
        wake=lambda: None,
        metrics=Metrics(),
    )
    return application(desk).openapi()


def table(found: dict[str, Any]) -> Iterator[str]:
    """Every operation, in the order of the document."""
    yield "| method | path | |"
    yield "|---|---|---|"
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield f"| `{method.upper()}` | `{path}` | {operation['summary']} |"


def main(page: Path) -> None:
    """Print a page with the table as it is now."""
    rows = "".join(f"{row}\n" for row in table(document()))
    sys.stdout.write(_TABLE.sub(lambda _old: rows, page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
