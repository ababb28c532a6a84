"""What a peer says may name a patient: it stands in the ledger, and nowhere in the log."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hilum import words

_REFUSED = """
import structlog
from hilum import words
from hilum.observe import log

log.configure()
comment = words.said("no patient " + chr(8221) + " DOE^JOHN" + chr(10))
why = f"the destination answered status A900H {comment}; tried 3 times"
structlog.get_logger().warning("delivery.failed_for_good", why=why, delivery="7")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_log_has_the_status_without_the_comment(form: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _REFUSED],
        env=os.environ | {"HILUM_LOG": form},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "the destination answered status A900H; tried 3 times" in ran.stderr
    assert "DOE" not in ran.stderr
    assert "no patient" not in ran.stderr


@pytest.mark.parametrize(
    ("comment", "said"), [("", ""), ("full", "“full”"), ("a ”b“ c", '“a "b" c”')], ids=["nothing", "plain", "quotes"]
)
def test_what_is_said_cannot_end_what_marks_it(comment: str, said: str) -> None:
    assert words.said(comment) == said
    assert words.discreet(f"status 0110H {said}; and so on") == f"status 0110H{'' if said else ' '}; and so on"


def test_what_was_cut_off_hides_everything_behind_it() -> None:
    assert words.discreet("status 0110H “DOE^JO") == "status 0110H"
    assert words.discreet("a “b” c “d” e") == "a c e"
    assert words.discreet("nothing was said") == "nothing was said"
