"""A sync of the ledger that failed ends the gateway, and the next one has everything that was promised."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.data import make_series
from harness.process import GatewayProcess
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.serve.process import EXIT_DISTRUSTED

pytestmark = pytest.mark.sqlite

MakeSite = Callable[..., Site]


@contextmanager
def failing_syncs(gateway: GatewayProcess, path: Path) -> Iterator[None]:
    """The next sync of one file fails; the kernel would call the one after it a success."""
    said = gateway.site.folder / "strace.log"
    command = ["strace", "-f", "-p", str(gateway.process.pid), "-P", str(path), "-e", "trace=fsync,fdatasync"]
    command += ["-e", "inject=fsync,fdatasync:error=EIO:when=1", "-o", "/dev/null"]
    with said.open("wb") as log, subprocess.Popen(command, stderr=log) as tracer:
        eventually(lambda: b"attached" in said.read_bytes(), what="strace to attach")
        try:
            yield
        finally:
            tracer.kill()  # asked to end, it would wait for a gateway that waits for it


def test_the_gateway_ends_and_holds_what_it_could_not_record(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site({"dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM"}]}}})
    before, during = make_series(tmp_path / "before", 2), make_series(tmp_path / "during", 2)
    with GatewayProcess(site) as gateway:
        send(gateway.port, *before)
        with ExitStack() as until_the_end, association(gateway.port, during) as requestor:
            assert [store(requestor, path).status for path in during] == [0, 0]
            until_the_end.enter_context(failing_syncs(gateway, site.folder / "hilum.db-wal"))
            # and now the release, which is not answered any more
        assert gateway.process.wait(timeout=20) == EXIT_DISTRUSTED
        assert "only a new start may go on with it; look after that disk" in gateway.log.read_text()
    with site:
        # Whether a commit that reports an error was done nobody can know; that nothing of it is half there can be seen.
        assert {row.state for row in site.rows("associations")} <= {"released", "held"}
        assert {row.sop_instance for row in site.rows("instances")} == {path.stem for path in (*before, *during)}
        assert {row.fate for row in site.rows("instances")} <= {"grouped", "held"}
