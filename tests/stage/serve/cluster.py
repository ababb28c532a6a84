"""Several gateways on one ledger and one spool, in their parts, with clocks that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from harness.data import make_instance
from hilum.association.sink import Ending
from hilum.ledger import gateways
from hilum.ledger.gateways import Identity
from hilum.model import AETitle, AssociationId, AssociationInfo, StoreRequest, Uid
from hilum.serve.heartbeat import Heartbeat
from hilum.serve.takeover import Lookout, TakeOverStep
from hilum.store.disk import Watermark
from hilum.store.part10 import read_meta
from hilum.store.receive import SpoolReceiver, SpoolSink, StoreRule, StoreSettings
from hilum.store.recovery import Recovery
from hilum.store.spool import Durability
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

Make = Callable[..., "Member"]
LEASE = timedelta(seconds=30)
EVERY = timedelta(seconds=5)


class Time:
    """The ledger's clock, and the time since boot of each machine: both go on together."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.elapsed = 1000.0

    def __call__(self) -> float:
        return self.elapsed

    def forward(self, seconds: float) -> None:
        self.clock.forward(seconds)
        self.elapsed += seconds


class Member:
    """One gateway of the cluster. It does nothing by itself: a test that never calls it has stopped it."""

    def __init__(
        self, desk: Reception, time: Time, name: str, *, machine: str = "", accept_broken: bool = False
    ) -> None:
        assert desk.spool is not None
        self.desk, self.time, self.name = desk, time, name
        self.spool = desk.spool
        self.accept_broken = accept_broken
        self.fenced: list[str] = []
        # A process that does not exist on this machine: only its lease tells of it, as if it were on another one.
        self.me = Identity(
            id=name, host=f"host-{name}", machine=machine or f"machine-{name}", process=1, ticks=1, version="1"
        )
        with desk.database.write() as connection:
            gateways.register(connection, self.me, now=desk.clock(), until=desk.clock() + LEASE)
        self.heartbeat = Heartbeat(
            database=desk.database,
            owner=name,
            clock=desk.clock,
            lease=LEASE,
            fenced=self.fenced.append,
            elapsed=time,
        )
        self.heartbeat.beat()
        self.settings = StoreSettings(
            spool=self.spool,
            rules=lambda called: StoreRule(
                grouping=desk.grouping(called), ignored=(), accept_broken=self.accept_broken
            ),
            durability=Durability.INSTANCE,
            aborted_retention=timedelta(days=1),
            log_data_sets=False,
        )
        self.receiver = SpoolReceiver(
            database=desk.database,
            owner=name,
            clock=desk.clock,
            watermark=Watermark([], 100, 0, time),
            settings=lambda: self.settings,
            released=lambda: None,
            silent=self.heartbeat.silent,
        )
        self.takeover = TakeOverStep(
            database=desk.database,
            me=self.me,
            lookout=Lookout(me=self.me, every=EVERY, elapsed=time),
            recovery=lambda: Recovery(database=desk.database, owner=name, clock=desk.clock, settings=self.settings),
        )

    def beat(self) -> None:
        self.heartbeat.beat()

    def look(self) -> None:
        """One turn of its take-over step."""
        now = self.desk.clock()
        for found in self.takeover.claim(now, now + timedelta(minutes=1), 1):
            self.takeover.record(found, self.takeover.act(found), self.desk.clock())

    def live(self, seconds: float) -> None:
        """It goes on for so long: renews and looks, and time passes."""
        for _ in range(int(seconds / EVERY.total_seconds())):
            self.time.forward(EVERY.total_seconds())
            self.beat()
            self.look()

    def associate(self, number: int = 1, called: str = "SCP") -> Talk:
        return Talk(self, number, called)


class Talk:
    """One association to a member."""

    def __init__(self, member: Member, number: int, called: str) -> None:
        self.member = member
        self.info = AssociationInfo(
            id=AssociationId(f"20261122T081500{number:06}-{number:08x}"),
            calling=AETitle("SCANNER"),
            called=AETitle(called),
            host="10.0.0.5",
            port=50000,
            opened_at=member.desk.clock(),
        )
        self.sink: SpoolSink = member.receiver.open(self.info)
        self._files = member.spool.with_name("made")

    def store(self, uid: str, **header: str) -> int:
        """The status that an instance is answered with."""
        path: Path = make_instance(self._files, sop_instance=uid, **header)
        content = path.read_bytes()
        path.unlink()
        meta = read_meta(content)
        begun = self.sink.begin(
            StoreRequest(
                sop_class=Uid(meta.sop_class),
                sop_instance=Uid(uid),
                transfer_syntax=Uid(meta.transfer_syntax),
                message_id=1,
            )
        )
        if not hasattr(begun, "finish"):
            return begun.status
        begun.write([memoryview(content)[meta.data_set_offset :]])
        return begun.finish().status

    def release(self) -> Talk:
        self.sink.release()
        return self

    def broken(self) -> None:
        self.sink.broken(Ending.LOST, "")


def files(spool: Path) -> Sequence[str]:
    """What lies in the spool."""
    return sorted(str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file())
