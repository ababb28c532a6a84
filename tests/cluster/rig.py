"""Everything that one test of several gateways needs: a database server, gateways, a balancer, senders and a PACS.

Whatever remembers is outside of what is hurt, as in ``crash.rig``. Time passes as it does: leases are short instead.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from cluster import fleet, runs
from cluster.doubt import Doubts
from cluster.fleet import Member
from crash import counts, reading
from crash.counts import Fault, Tally
from crash.disks import healthy_folder
from crash.gateways import ForkServer, kill_family
from crash.reading import Places
from crash.sender import Association, Ledger, Load
from crash.shim import Faults
from harness.haproxy import HAProxy
from harness.postgres import Server
from harness.site import merged
from harness.waiting import eventually
from hilum.clock import utc_now
from hilum.ledger import holding
from hilum.ledger.database import Database

#: So long a gateway may be silent until others take over, in seconds.
LEASE: Final = 4.0
GATEWAYS: Final = 3
_SENDERS: Final = 8
#: Between two associations of a sender, on average: more jobs than the machine can run would be waited for in the end.
_PAUSE: Final = 1.0
#: Some senders lose patience before a gateway that was stopped for long goes on, others wait for it.
_PATIENCE: Final = (2.0, 30.0)
_DRAIN: Final = 120.0
_YEARS: Final = 3000

#: How the balancer finds out which gateways take associations.
_CHECKS: Final = (
    "option httpchk",
    "http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host localhost",
    "default-server check inter 200ms fastinter 100ms downinter 100ms fall 2 rise 1",
)

#: Grouped at the release, twice; and by study while instances of it come to one gateway after the other.
AES: Final = ("HILUM", "SECOND", "WINDOW")
_KEYS: Final[Mapping[str, Any]] = {
    "dicom": {
        "scp": {
            "max-associations": 25,
            "aborted-retention": 100 * 86_400,
            "ae-titles": [
                {"ae-title": "HILUM"},
                {"ae-title": "SECOND"},
                {"ae-title": "WINDOW", "timeout": 1, "timeout-group": "Study"},
            ],
        },
        "scu": {"retry": {"waits": [0.1]}},
    },
    "storage": {"retention-days": {"delivered": _YEARS, "failed": _YEARS}},
}


class Hall:
    """Where clusters are made: a database server of their own, a process that starts gateways, and a healthy folder."""

    def __init__(self, folder: Path, server: ForkServer, postgres: Server) -> None:
        self.folder, self.server, self.postgres = folder, server, postgres
        self._made = 0

    @contextmanager
    def cluster(self, **how: Any) -> Iterator[Cluster]:
        """A new one, started, on an empty database; see ``Cluster``."""
        self._made += 1
        with Cluster(self, self.folder / f"cluster{self._made}", **how) as cluster:
            yield cluster


@contextmanager
def hall() -> Iterator[Hall]:
    """One, until the end of the block. Its database server has its files on a real disk, and waits for it."""
    with ExitStack() as stack:
        folder = stack.enter_context(healthy_folder())
        postgres = Server(settings=("fsync=on", "full_page_writes=on", "synchronous_commit=on"))
        stack.callback(postgres.discard)
        server = stack.enter_context(ForkServer(Faults(folder / "control").path))
        yield Hall(folder, server, postgres)


class Cluster:
    """Gateways of one site behind a balancer, from their first start to the last count.

    Args:
        size: How many gateways.
        seconds: How long a run of a job takes at least.
        environment: Of each gateway, beside its own.

    Attributes:
        lines: Gets a line of each run of a job.
        revived: How often a gateway ended by itself and was started again.
        cut_off: What a sender was refused although there was a gateway to take it.
    """

    def __init__(
        self,
        hall: Hall,
        folder: Path,
        *,
        size: int = GATEWAYS,
        seconds: float = 0.0,
        keys: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._server, self.postgres = folder, hall.server, hall.postgres
        self._size, self._seconds, self._more_keys = size, seconds, keys or {}
        self.token = uuid.uuid4().hex
        self._environment = {"CRASH_TOKEN": self.token, **(environment or {})}
        self.ledger = Ledger()
        self.archive = Doubts()
        self.revived = 0
        self.cut_off: list[str] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder.mkdir()
            self.lines = self._folder / "runs"
            stack.callback(self._end)
            self.members: list[Member] = []
            stack.enter_context(self.archive)
            url = self.postgres.url()
            self.places = Places(ledger=url, spool=self._folder / "spool", payloads=self._folder / "payloads")
            self.members = list(
                fleet.make(self._folder, self._size, self._configuration(url), self._server, self._environment)
            )
            servers = {one.name: (one.port, f"port {one.web} send-proxy-v2") for one in self.members}
            self.balancer = stack.enter_context(HAProxy(self._folder, servers, backend=_CHECKS))
            for member in self.members:
                member.start()
            self.balancer.wait_until_up(*(one.name for one in self.members))
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _end(self) -> None:
        for member in self.members:
            if not member.is_over():
                member.kill()
        kill_family(self.token)

    def _configuration(self, url: str) -> Mapping[str, Any]:
        own = {
            "dicom": {
                "scp": {"proxies": ["127.0.0.1"]},
                "scu": {"destinations": [self.archive.destination]},
            },
            "workflows": [
                {"name": f"of-{ae}".lower(), "clara-ae-title": ae, "engine": "copy", "destination-name": "PACS"}
                for ae in AES
            ],
            "engines": {"copy": runs.engine(self.lines, seconds=self._seconds)},
            "storage": {
                "temporary": str(self.places.spool),
                "payloads": str(self.places.payloads),
                "output": str(self._folder / "output"),
            },
            "ledger": {"url": url, "lease-seconds": LEASE},
        }
        return merged(merged(_KEYS, own), self._more_keys)

    # --- what goes on

    def load(self, *, patience: tuple[float, ...] = _PATIENCE, pause: float = _PAUSE) -> Load:
        """Senders that talk to the balancer; not yet started."""
        return Load(
            self.ledger,
            self.balancer.port,
            aes=AES,
            senders=_SENDERS,
            pause=pause,
            patience=patience,
            steadfast=True,
        )

    @property
    def site(self) -> Any:
        """The configuration by which an operator's commands find the ledger."""
        return self.members[0].site

    def wait_until_taken_over(self, member: Member, begun: float) -> float:
        """Until nothing belongs to the process that this member had at that moment.

        Args:
            begun: When it was lost, monotonic.

        Returns:
            The seconds that this took, from then on.
        """
        process = member.process.pid
        eventually(
            lambda: reading.one(self.places, _TAKEN_OVER, process) == 1,
            seconds=60,
            what=f"somebody to take over from {member.name}",
            pause=0.05,
        )
        return time.monotonic() - begun

    def all_up(self) -> None:
        """Until the balancer gives associations to each of them."""
        eventually(self._all_up, seconds=60, what="all gateways to be ready", pause=0.05)

    def _all_up(self) -> bool:
        self._revive()
        return {one.name for one in self.members} <= self.balancer.up()

    @contextmanager
    def hurting(self, *members: Member) -> Iterator[float]:
        """What happens to them in the block is an excuse for repeating what they had just sent; gives its beginning."""
        begun = time.monotonic()
        yield begun
        self.archive.excuse([one.name for one in members], begun, time.monotonic())

    @contextmanager
    def nobody_cut_off(self) -> Iterator[None]:
        """Every association of this block has to come to the end that its sender meant."""
        before = len(self.ledger.associations)
        yield
        self.cut_off += [
            f"association {number}: {_told(one)}"
            for number, one in enumerate(self.ledger.associations[before:], before)
            if not one.went_well
        ]

    # --- draining and counting

    def drain(self) -> float:
        """Wait until everything has come to its end; the seconds it took."""
        begun = time.monotonic()
        while left := self._unfinished():
            self._revive()
            if time.monotonic() - begun > _DRAIN:
                raise AssertionError(f"not drained in {_DRAIN:g} s: {left}; {self.logs()[-6000:]}")
            time.sleep(0.05)
        return time.monotonic() - begun

    def _unfinished(self) -> str:
        try:
            return reading.unfinished(self.places)
        except (reading.NotYetError, psycopg.OperationalError) as error:
            return str(error)

    def _revive(self) -> None:
        self.revived += sum(member.revive() for member in self.members)

    def logs(self) -> str:
        """Of all gateways."""
        return "\n".join(f"--- {one.name}\n{one.log()[-20_000:]}" for one in self.members)

    @property
    def unknown_outcomes(self) -> int:
        """Answers of the PACS that their gateway did not read, or was not allowed to write down."""
        return self.archive.unknown_outcomes()

    def accept_held(self) -> int:
        """As an operator who wants all of it; how many associations."""
        with closing(Database(self.places.ledger)) as database, database.write() as connection:
            held = connection.exec_driver_sql("SELECT id FROM associations WHERE state = 'held'").scalars().all()
            for association in held:
                holding.ask_accept(connection, association, now=utc_now())
        return len(held)

    def count(self, *, held_before_release: bool = True, held_was_accepted: bool = False) -> Tally:
        """Compare what there is with what was promised, and with what was run."""
        tally = counts.count(
            reading.read_site(self.places),
            self.places,
            self.ledger,
            self.archive,
            unknown_outcomes=self.unknown_outcomes,
            held_before_release=held_before_release,
            held_was_accepted=held_was_accepted,
        )
        found = runs.read(self.lines)
        _add(tally, Fault.RUN_TWICE, runs.twice(found))
        _add(tally, Fault.RUN_AGAIN, runs.unexplained(found, reading.failures(self.places)))
        _add(tally, Fault.CUT_OFF, self.cut_off)
        tally.run_again = sum(attempt > 1 for _, attempt in found)
        tally.spanning = reading.one(self.places, _SPANNING)
        tally.revived = self.revived
        return tally


_TAKEN_OVER: Final = "SELECT count(*) FROM gateways WHERE process = %s AND state = 'taken over'"
_SPANNING: Final = (
    "SELECT count(*) FROM (SELECT group_id FROM instances JOIN associations ON associations.id = association_id"
    " WHERE group_id IS NOT NULL GROUP BY group_id HAVING count(DISTINCT owner) > 1) AS several"
)


def _add(tally: Tally, kind: Fault, which: list[str]) -> None:
    if which:
        tally.faults[kind] += which


def _told(one: Association) -> str:
    taken = sum(sent.is_acknowledged for sent in one.sent)
    return f"{taken} of {one.meant} taken, statuses {one.refusals}, released: {one.is_released}, meant: {one.ending}"
