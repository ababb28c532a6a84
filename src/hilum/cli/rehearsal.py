"""What ``hilum demo`` does: the main job from end to end, with a modality and a PACS of our own."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

from hilum import states, words
from hilum.assembly import log_tail
from hilum.association.peer import Peer
from hilum.association.probe import probe
from hilum.association.settings import RequestorTimeouts
from hilum.cli import output
from hilum.cli.child import Child, ChildError, wait_for
from hilum.cli.ledger import Office, opened
from hilum.cli.outbox import Outgoing, examine
from hilum.cli.output import Column
from hilum.cli.phantom import Series, write_series
from hilum.cli.sending import Sender
from hilum.errors import PermanentError
from hilum.explain import timeline
from hilum.ledger import annals, views
from hilum.ledger.shown import JobView, ResultView
from hilum.model import AETitle

_GATEWAY: Final = AETitle("HILUM")
_MODALITY: Final = AETitle("MODALITY")
_START: Final = timedelta(seconds=30)
_JOB: Final = timedelta(minutes=5)
_STEPS: Final = 7
#: In the log of a gateway, in whichever form.
_DASHBOARD: Final = re.compile(r'dashboard\W+(http://[^\s"\']+)')
#: What examples/lung imports.
_NEEDED: Final = ("numpy", "scipy", "highdicom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the demo happens.

    Attributes:
        folder: Absolute; everything is written below it.
        program: The example workflow.
    """

    folder: Path
    program: Path

    @property
    def config(self) -> Path:
        """The configuration that is written."""
        return self.folder / "app.yaml"


def prepare(folder: Path | None) -> Place:
    """Find what is needed and make the folder; ``None`` = a new one among the temporary files.

    Raises:
        PermanentError: Something is missing, or the folder is in use.
    """
    program = Path(__file__).parents[3] / "examples" / "lung" / "segment.py"
    if not program.is_file():
        raise PermanentError(
            f"the example workflow {program} is not there: run the demo from a clone of the repository, "
            "in which hilum is installed with `make setup` or `pip install -e '.[examples]'`"
        )
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PermanentError(
            f"the example workflow needs {words.listed(missing)}, which {sys.executable} does not have: "
            "run `make setup`, or `pip install 'hilum[examples]'`"
        )
    if folder is None:
        return Place(folder=Path(tempfile.mkdtemp(prefix="hilum-demo-")), program=program)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise PermanentError(f"{folder} is not empty; name a new folder, or leave --folder out")
    except OSError as error:
        raise PermanentError(f"{folder} cannot be made: {error.strerror}") from error
    return Place(folder=folder.resolve(), program=program)


class Rehearsal:
    """The demo; used as a context manager, which ends every process that it started."""

    def __init__(self, place: Place, slices: int) -> None:
        self._place = place
        self._slices = slices
        self._exit = ExitStack()
        self._children: list[Child] = []
        self._ports = {"pacs": 0, "gateway": 0}
        self._number = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        # Settings of the gateway that this user works with are none of the demo's.
        for name in [name for name in os.environ if name.startswith("HILUM__")]:
            del os.environ[name]
        # Ends like Ctrl-C, so that the processes are ended on the way out.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def run(self) -> None:
        """All steps, from nothing to results in the PACS that are checked.

        Raises:
            PermanentError, TemporaryError: A step failed; the message tells which and why.
        """
        output.say("From a modality through a workflow to a PACS. Everything stays in this folder:")
        output.say(f"  {self._place.folder}")
        self._start_pacs()
        self._start_gateway()
        series = self._make_images()
        self._send(series)
        with opened(self._place.config) as office:
            job, results = self._wait_for_job(office)
            self._check(series, job, results)
            self._tell(office, job)
        output.say()
        output.say(f"Done: all of it took {words.duration(timedelta(seconds=time.monotonic() - self._began))}.")

    @contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self._number += 1
        output.say()
        output.heading(f"{self._number}/{_STEPS}  {title}")
        sys.stdout.flush()
        began = time.monotonic()
        yield
        output.say(f"     took {words.duration(timedelta(seconds=time.monotonic() - began))}")
        sys.stdout.flush()

    def _note(self, text: str) -> None:
        output.paragraph(text, indent=5)
        sys.stdout.flush()

    def _start(self, name: str, arguments: Sequence[str]) -> Child:
        child = Child(f"the {name}", arguments, self._place.folder / f"{name}.log")
        self._exit.enter_context(child)
        self._children.insert(0, child)
        return child

    def _start_pacs(self) -> None:
        with self._step("A PACS starts: hilum receive"):
            folder = self._place.folder / "pacs"
            options = ("--host", "127.0.0.1", "-aet", "PACS", "-od", str(folder), "--json")
            pacs = self._start("pacs", ("receive", "0", *options))

            def port() -> int | None:
                line, newline, _ = pacs.said().partition("\n")
                return int(json.loads(line)["port"]) if newline and line.startswith("{") else None

            self._ports["pacs"] = wait_for("the PACS to listen", port, [pacs], _START)
            self._note(f"AE title PACS on port {self._ports['pacs']}, process {pacs.pid}; files go to pacs/")

    def _start_gateway(self) -> None:
        with self._step("The gateway starts: hilum serve"):
            port = self._ports["gateway"] = _free_port()
            values = {
                "@GATEWAY-PORT@": str(port),
                "@PACS-PORT@": str(self._ports["pacs"]),
                "@PYTHON@": json.dumps(sys.executable),
                "@PROGRAM@": json.dumps(str(self._place.program)),
            }
            text = files("hilum.cli").joinpath("demo.yaml").read_text(encoding="utf-8")
            for mark, value in values.items():
                text = text.replace(mark, value)
            self._place.config.write_text(text, encoding="utf-8")
            gateway = self._start("gateway", ("serve", "--config", str(self._place.config)))

            def answers() -> bool | None:
                return True if probe(self._peer, _MODALITY, RequestorTimeouts()).answered else None

            wait_for("the gateway to answer a C-ECHO", answers, self._children, _START)
            self._note(f"AE title HILUM on port {port}, process {gateway.pid}; configured by app.yaml")
            self._note("It answers a C-ECHO.")

    @property
    def _peer(self) -> Peer:
        return Peer(host="127.0.0.1", port=self._ports["gateway"], called=_GATEWAY)

    def _make_images(self) -> Series:
        with self._step("Images are made: a synthetic CT of a chest, of nobody"):
            folder = self._place.folder / "modality"
            series = write_series(folder, slices=self._slices, seed=secrets.randbits(32))
            self._note(f"{len(series.files)} slices, {words.size(series.total_bytes)}; files are in modality/")
            self._note(f"Right lung {series.right_lung_ml:.0f} ml, left lung {series.left_lung_ml:.0f} ml, as made.")
            return series

    def _send(self, series: Series) -> None:
        with self._step("The modality sends them to the gateway"):
            report = Sender(self._peer, _MODALITY, RequestorTimeouts()).run(_outgoing(series.files))
            accepted = sum(outcome.accepted for outcome in report.outcomes)
            if accepted != len(series.files):
                raise self._children[0].failed(
                    f"the gateway accepted {accepted} of {len(series.files)} instances ({report.error})"
                )
            self._note(
                f"{accepted} of {len(series.files)} instances accepted: "
                f"{words.rate(report.accepted_bytes, report.seconds)}, {accepted / report.seconds:.0f} instances/s"
            )

    def _wait_for_job(self, office: Office) -> tuple[JobView, Sequence[ResultView]]:
        with self._step("The gateway runs the workflow and delivers its results"):
            told: set[str] = set()

            def complete() -> JobView | None:
                with office.database.read() as connection:
                    jobs = views.list_jobs(connection)
                if not jobs:
                    return None
                job = jobs[0]
                self._narrate(office, job, told)
                return job if job.state in {states.Job.COMPLETE, states.Job.FAILED} else None

            job = wait_for("the job to be complete", complete, self._children, _JOB)
            if job.state is states.Job.FAILED:
                log = log_tail(office.settings, job, 20)
                raise ChildError(
                    "\n  ".join([f"job {job.name} failed: {job.why}; the end of its log:", *log.splitlines()])
                )
            if not job.results or job.delivered < job.results:
                what = f"{job.delivered} of {job.results} results of job {job.name} were delivered"
                raise self._children[0].failed(what)
            with office.database.read() as connection:
                results = views.job_results(connection, job.id)
            return job, results

    def _narrate(self, office: Office, job: JobView, told: set[str]) -> None:
        """Say each thing once, when it has happened."""
        size = words.size(job.bytes)
        sentences = [(True, f"Job {job.name} has {job.instances} instances, {size}")]
        sentences.append((job.started_at is not None, "The workflow examples/lung/segment.py runs as a process"))
        if job.finished_at:
            sentences += [(True, f"  its log: {line}") for line in log_tail(office.settings, job, 10).splitlines()]
        sentences.append((job.results > 0, f"It wrote {words.count(job.results, 'DICOM file')}"))
        sentences.append((job.state is states.Job.COMPLETE, f"{job.delivered} of {job.results} accepted by the PACS"))
        for happened, sentence in sentences:
            if happened and sentence not in told:
                told.add(sentence)
                self._note(sentence)

    def _check(self, series: Series, job: JobView, results: Sequence[ResultView]) -> None:
        with self._step("What arrived is compared with what was sent"):
            job_folder = Path(job.folder)
            received = [job_folder / "input" / f"{uid}.dcm" for uid in series.instances]
            _compare("the input of the job", [*zip(series.files, received, strict=True)])
            self._note(f"{len(received)} of {len(received)} data sets in the job's input: SHA-256 as at the modality")
            pacs = self._place.folder / "pacs"
            delivered = [(job_folder / "output" / one.path, pacs / f"{one.sop_instance}.dcm") for one in results]
            _compare("the PACS", delivered)
            self._note(
                f"{len(delivered)} of {len(delivered)} data sets in the PACS: SHA-256 as the workflow wrote them"
            )
            for one, (_, there) in zip(results, delivered, strict=True):
                self._note(f"{one.path}, {words.size(one.size)}, is pacs/{there.name}")

    def _tell(self, office: Office, job: JobView) -> None:
        self._number += 1
        output.say()
        output.heading(f"{self._number}/{_STEPS}  What happened, from the ledger")
        with office.database.read() as connection:
            group = None if job.group_id is None else views.group(connection, job.group_id)
            senders = [] if job.group_id is None else views.senders(connection, job.group_id)
            moments = timeline.story(group, senders, annals.job_history(connection, job))
        columns = (Column("TIME", fixed=True, right=True), Column("AFTER", fixed=True, right=True), Column(""))
        output.table(columns, timeline.rows(moments), indent=5)
        output.say()
        here = Path(job.folder).relative_to(self._place.folder)
        output.pairs(
            [
                ("job", f"{here}/"),
                ("receipt", f"{here}/receipt.json"),
                ("PACS", "pacs/"),
                ("logs", "gateway.log, pacs.log"),
                ("ledger", "hilum.db"),
            ],
            indent=5,
        )
        output.say()
        output.say("To look around:")
        output.say(f"  cd {self._place.folder}")
        output.say(f"  {_hilum()} jobs show {job.id[:8]}")

    def go_on(self) -> None:
        """Serve until Ctrl-C, or until one of the processes ends."""
        output.say()
        output.say("The gateway and the PACS go on until Ctrl-C. Meanwhile, in that folder:")
        output.say(f"  {_hilum()} send HILUM@127.0.0.1:{self._ports['gateway']} -aet MODALITY modality")
        output.say(f"  {_hilum()} status")
        if found := next(filter(None, (_DASHBOARD.search(child.said()) for child in self._children)), None):
            output.say(f"In a browser: {found[1]}")
        sys.stdout.flush()
        try:
            wait_for("Ctrl-C", lambda: None, self._children, timedelta(days=365))
        except KeyboardInterrupt:
            output.say()


def _hilum() -> str:
    """What somebody has to type to run it: the environment of `make demo` is in no shell's search path."""
    if shutil.which("hilum"):
        return "hilum"
    beside = Path(sys.executable).with_name("hilum")
    return str(beside) if beside.exists() else f"{sys.executable} -m hilum"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _outgoing(paths: Sequence[Path]) -> list[Outgoing]:
    found = [examine(str(path)) for path in paths]
    return [one for one in found if isinstance(one, Outgoing)]


def _compare(where: str, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Compare the data sets of files with those of their copies.

    Raises:
        PermanentError: A copy is missing or differs.
    """
    for original, copy in pairs:
        if not copy.is_file():
            raise PermanentError(f"{original.name} is missing in {where}: there is no {copy}")
        if _digest(original) != _digest(copy):
            raise PermanentError(f"{original.name} has changed on its way to {where}: compare {original} with {copy}")


def _digest(path: Path) -> str:
    """SHA-256 of a file's data set: preamble and file meta information are each writer's own."""
    found = examine(str(path))
    if not isinstance(found, Outgoing):
        raise PermanentError(f"{path} is {found.why}")
    with path.open("rb") as file:
        file.seek(found.offset)
        return hashlib.file_digest(file, "sha256").hexdigest()
