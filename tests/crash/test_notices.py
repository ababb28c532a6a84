"""A kill between telling somebody and writing it down: told once more at most, under the same key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.hook import Hook
from harness.process import GatewayProcess
from harness.site import Site
from harness.waiting import eventually
from hilum.clock import utc_now
from hilum.ledger.database import Database
from hilum.ledger.transition import note

MakeSite = Callable[..., Site]

#: Dies as soon as the other side has taken the first notice, and before anything is written down.
PLANT = """
import os, signal
from hilum.notify.worker import TellStep
def deadly(self, due, outcome, now):
    os.kill(os.getpid(), signal.SIGKILL)
TellStep.record = deadly
"""


@contextmanager
def planted(site: Site, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway with the plant in it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PLANT)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (site.folder / "planted.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hilum", "serve", "--config", str(site.path)],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": path},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


def test_a_notice_that_was_told_but_not_recorded_is_told_once_more_with_its_key(
    make_site: MakeSite, tmp_path: Path
) -> None:
    with Hook() as hook:
        site = make_site({"notifications": {"webhooks": {"oncall": {"url": hook.url}}, "retry": {"waits": [0.2]}}})
        site.database = Database(site.settings.ledger.url)
        site.database.migrate()
        with site.database.write() as connection:
            for name in ("A", "B"):
                note(connection, "destination", name, "failed", now=utc_now(), before="up", after="down")
        with planted(site, tmp_path / "plant") as process:
            assert process.wait(timeout=60) < 0
        assert len(hook.posts) == 1
        [begun] = [row for row in site.rows("notices") if row.begun]
        assert (begun.state, begun.attempts, begun.key) == ("due", 0, hook.posts[0].key)
        with GatewayProcess(site):
            eventually(lambda: len(site.rows("notices", state="sent")) == 2, what="both notices sent")
        first, *others = hook.posts
        assert len(others) == 2, "one was told twice, the other once"
        [again] = [post for post in others if post.key == first.key]
        assert again.body == first.body
        site.database.close()
