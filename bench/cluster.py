"""What several gateways take together, and who needs how much of the machine for it. `make bench ARGS=cluster`."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from bench import dataset, postgres, process, sender, session, shares, site, stored
from bench.dataset import DataSet
from bench.load import Contender, Load
from bench.machine import machine, versions
from bench.postgres import Database
from bench.process import Command, free_port, program, serving, wait_until_it_accepts
from bench.receiver import Endpoint
from bench.settings import Settings, tool
from bench.transfer import Transfers

_TICK: Final = os.sysconf("SC_CLK_TCK")
_ASSOCIATIONS: Final = 8
#: Instances of each association, by what they are called.
_SHAPES: Final = {"small": (dataset.SMALL, 250), "ct": (dataset.CT_SLICE, 50)}
_DURABILITIES: Final = ("instance", "association")

_BALANCER: Final = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 120s
    timeout server 120s
listen dicom
    bind 127.0.0.1:{port}
    balance roundrobin
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """So many gateways on a ledger of that kind."""

    ledger: str
    gateways: int
    durability: str

    @property
    def name(self) -> str:
        """As in the results."""
        return f"{self.ledger} {self.gateways} {self.durability}"


SETUPS: Final = tuple(
    Setup(ledger=ledger, gateways=gateways, durability=durability)
    for durability in _DURABILITIES
    for ledger, gateways in (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 2), ("PostgreSQL", 3))
)


class Clusters:
    """Measures them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transfers = Transfers(settings)

    def run(self) -> None:
        """Measure, and write `cluster.json` and `cluster.md`."""
        series = {name: self._transfers.series(shape, count, _ASSOCIATIONS) for name, (shape, count) in _SHAPES.items()}
        load = Load(
            name="cluster",
            title="receiving with several gateways",
            contenders=[Contender(name=one.name, run=partial(self._measure, one, series)) for one in SETUPS],
        )
        result = session.run(self._settings, load)
        document = {
            "rounds": self._settings.rounds,
            "scale": self._settings.scale,
            "machine": dict(machine(self._settings.folder)),
            "processors": os.cpu_count(),
            "versions": dict(versions()),
            "associations": _ASSOCIATIONS,
            "instances": {name: sum(one.count for one in some) for name, some in series.items()},
            "bytes": {name: sum(one.bytes for one in some) for name, some in series.items()},
            "figures": {name: list(figure.values) for name, figure in result.figures.items()},
        }
        pages = self._settings.pages
        pages.mkdir(parents=True, exist_ok=True)
        (pages / "cluster.json").write_text(json.dumps(document, indent=2) + "\n")
        self._settings.write("cluster.md", shares.page(document))

    def _measure(self, setup: Setup, series: Mapping[str, Sequence[DataSet]], folder: Path) -> Mapping[str, float]:
        values: dict[str, float] = {}
        with _started(setup, folder) as parties:
            warm_up = self._transfers.warm_up
            for _ in range(setup.gateways):  # the balancer gives one to each
                process.seconds_of([sender.storescu(parties.endpoint, warm_up.folder)], folder)
            for name, some in series.items():
                os.sync()
                before = parties.spent()
                seconds = process.seconds_of([sender.storescu(parties.endpoint, one.folder) for one in some], folder)
                spent = {party: after - before[party] for party, after in parties.spent().items()}
                prefix = f"{setup.name} {name}"
                if parties.database is not None:
                    values[f"{prefix} connected"] = parties.database.connected()
                values |= {f"{prefix} seconds": seconds} | {f"{prefix} {what}": one for what, one in spent.items()}
            sent = [one for some in series.values() for data in some for one in data.digests]
            stored.check(parties.endpoint.stored(), [*sent, *(warm_up.digests * setup.gateways)])
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Everybody who takes part, at work.

    Attributes:
        processes: Process ids of each party whose children count as well.
    """

    endpoint: Endpoint
    processes: Mapping[str, Sequence[int]]
    database: Database | None

    def spent(self) -> Mapping[str, float]:
        """Processor seconds of each party so far, and what a server has done."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = {name: sum(map(_seconds, pids)) for name, pids in self.processes.items()}
        counts = {} if self.database is None else self.database.counts()
        return {"senders": children.ru_utime + children.ru_stime, **seconds, **counts}


@contextmanager
def _started(setup: Setup, folder: Path) -> Iterator[Parties]:
    with ExitStack() as stack:
        database = None
        if setup.ledger == "PostgreSQL":
            database = stack.enter_context(postgres.server(folder))
        ports, pids = [], []
        for number in range(setup.gateways):
            port, pid = stack.enter_context(_gateway(setup, folder, number, database))
            ports.append(port)
            pids.append(pid)
        front = stack.enter_context(_balancer(folder, ports))
        spool = folder / "spool"
        endpoint = Endpoint(
            port=front[0],
            title=site.TITLE,
            pid=pids[0],
            stored=lambda: stored.digests(spool.glob("*/*.dcm")),
        )
        processes = {"gateways": pids, "balancer": [front[1]]}
        if database is not None:
            processes["database"] = [database.pid]
        yield Parties(endpoint=endpoint, processes=processes, database=database)


@contextmanager
def _gateway(setup: Setup, folder: Path, number: int, database: Database | None) -> Iterator[tuple[int, int]]:
    port, web = free_port(), free_port()
    own = folder / f"gateway{number}"
    own.mkdir()
    shared: dict[str, Any] = {
        "dicom": {"scp": {"proxies": ["127.0.0.1"]}},
        "storage": {name: str(folder / place) for name, place in _FOLDERS.items()},
    }
    if database is not None:
        shared["ledger"] = {"url": database.url}
    path = site.write(own, site.merged(site.receiving(port, web, setup.durability), shared))
    command = Command(arguments=[tool("hilum"), "serve", "--config", str(path)])
    with serving(command, port, own / "hilum.log", seconds=120) as running:
        wait_until_it_accepts(running, web, own / "hilum.log")
        with urlopen(f"http://127.0.0.1:{web}/health/live", timeout=30):
            pass
        yield port, running.pid


_FOLDERS: Final = {"temporary": "spool", "payloads": "payloads", "output": "output"}


@contextmanager
def _balancer(folder: Path, ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """HAProxy's port and process id."""
    port = free_port()
    servers = "".join(f"    server g{number} 127.0.0.1:{one} send-proxy-v2\n" for number, one in enumerate(ports))
    file = folder / "haproxy.cfg"
    file.write_text(_BALANCER.format(port=port) + servers)
    command = Command(arguments=[program("haproxy"), "-db", "-f", str(file)])
    with serving(command, port, folder / "haproxy.log") as running:
        yield port, running.pid


def _seconds(pid: int) -> float:
    """Processor seconds of a process, of its children that are over, and of those that run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return 0.0
    own = sum(map(int, fields[11:15])) / _TICK
    return own + sum(_seconds(int(child)) for child in children)
