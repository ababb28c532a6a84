"""Takes associations as the store does, without sockets: files in the spool, rows in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hilum.group.policy import key_of
from hilum.ledger import holding, reception, tables
from hilum.ledger.database import Database
from hilum.ledger.grouping import Grouping
from hilum.ledger.reception import Received, Tally
from hilum.ledger.rows import AnyRow
from hilum.model import AETitle, AssociationId, AssociationInfo, GroupKey, GroupKind, Header, Uid
from stage.ledger.clock import MovableClock

CT = Uid("1.2.840.10008.5.1.4.1.1.2")
EXPLICIT_LE = Uid("1.2.840.10008.1.2.1")
NOTHING = Tally(ignored={}, refused=0)


def grouping(kind: GroupKind = GroupKind.ASSOCIATION, timeout: float = 0, *, overwrite: bool = False) -> Grouping:
    """As the configuration of an AE would make it; the timeout is in seconds."""
    return Grouping(
        key_of=partial(key_of, kind=kind, windowed=timeout > 0),
        window=timedelta(seconds=timeout),
        overwrite=overwrite,
    )


class Reception:
    """Opens associations, and looks into the ledger.

    Args:
        spool: ``None`` = only the ledger is told, no file is made.
    """

    def __init__(self, database: Database, clock: MovableClock, spool: Path | None) -> None:
        self.database = database
        self.clock = clock
        self.spool = spool
        self.groupings: dict[str, Grouping] = {}
        self._numbers = count(1)

    def rule(self, ae: str, kind: GroupKind = GroupKind.ASSOCIATION, timeout: float = 0, **how: bool) -> None:
        """Configures one AE; others have the defaults."""
        self.groupings[ae] = grouping(kind, timeout, **how)

    def grouping(self, ae: str) -> Grouping:
        return self.groupings.get(ae, grouping())

    def associate(self, ae: str = "SCP") -> Incoming:
        number = next(self._numbers)
        info = AssociationInfo(
            id=AssociationId(f"20261122T081500{number:06}-{number:08x}"),
            calling=AETitle("SCANNER"),
            called=AETitle(ae),
            host="10.0.0.5",
            port=50000 + number,
            opened_at=self.clock(),
        )
        return Incoming(self, info)

    def send(self, *uids: str, ae: str = "SCP", **header: str) -> Incoming:
        """One association with these instances, released."""
        association = self.associate(ae)
        for uid in uids:
            association.receive(uid, **header)
        return association.release()

    def rows(self, name: str, **equal: Any) -> Sequence[AnyRow]:
        """Rows of a table, by id, with these values."""
        table = tables.metadata.tables[name]
        wanted = [table.c[column] == value for column, value in equal.items()]
        with self.database.read() as connection:
            return connection.execute(select(table).where(*wanted).order_by(table.c.id)).all()

    def row(self, name: str, **equal: Any) -> AnyRow:
        """The only such row."""
        found = self.rows(name, **equal)
        assert len(found) == 1, f"{len(found)} rows in {name} with {equal}"
        return found[0]

    def groups(self, **equal: Any) -> list[dict[str, Any]]:
        """What can be told of groups at a glance."""
        return [
            {"ae": row.ae, "key": row.key, "state": row.state, "uids": self.uids(row.id)}
            for row in self.rows("groups", **equal)
        ]

    def uids(self, group: int) -> list[str]:
        """SOP Instance UIDs that count in a group, in the order of arrival."""
        return [row.sop_instance for row in self.rows("instances", group_id=group, fate="grouped")]

    def fates(self) -> list[tuple[str, str]]:
        return [(row.sop_instance, row.fate) for row in self.rows("instances")]

    def history(self, **equal: Any) -> list[AnyRow]:
        return list(self.rows("history", **equal))


class Incoming:
    """One association, as the peer that opened it sees it."""

    def __init__(self, desk: Reception, info: AssociationInfo) -> None:
        self.info = info
        self.id = info.id
        self.received: list[Received] = []
        self._desk = desk
        self._grouping = desk.grouping(info.called)
        self._contributed: set[GroupKey] = set()

    def receive(
        self, uid: str, *, patient: str = "P1", study: str = "1.1", series: str = "1.1.1", content: str = ""
    ) -> Incoming:
        """One instance; its file holds ``content``, or its association and number."""
        desk, number = self._desk, len(self.received) + 1
        content = content or f"{self.id}/{number}"
        if not self.received:
            with desk.database.note() as connection:
                reception.opened(connection, self.info, owner="gateway", folder=self.id)
        if desk.spool is not None:
            (desk.spool / self.id).mkdir(exist_ok=True)
            (desk.spool / self.id / f"{number}.dcm").write_text(content)
        header = Header(sop_class=CT, sop_instance=uid, modality="CT", patient_id=patient, study=study, series=series)
        key = self._grouping.key_of(header, self.id)
        if self._grouping.window and key not in self._contributed:
            with desk.database.note() as connection:
                reception.contribute(connection, self.id, self.info.called, key, desk.clock())
            self._contributed.add(key)
        self.received.append(
            Received(
                number=number,
                header=header,
                sop_class=CT,
                sop_instance=Uid(uid),
                transfer_syntax=EXPLICIT_LE,
                size=len(content),
                digest="",
                received_at=desk.clock(),
                key=key,
            )
        )
        return self

    def release(self, *, ignored: Mapping[str, int] | None = None, refused: int = 0) -> Incoming:
        tally = replace(NOTHING, ignored=ignored or {}, refused=refused)
        with self._desk.database.write() as connection:
            reception.released(connection, self.info, self.received, self._grouping, tally, now=self._desk.clock())
        return self

    def abort(self, *, retention: float = 86400) -> Incoming:
        """The peer sends A-ABORT; the folder is held aside."""
        desk = self._desk
        if desk.spool is not None:
            (desk.spool / "held").mkdir(exist_ok=True)
            (desk.spool / self.id).rename(desk.spool / "held" / self.id)
        with desk.database.write() as connection:
            reception.broken(
                connection,
                self.info,
                self.received,
                NOTHING,
                why="aborted: the peer sent A-ABORT",
                folder=f"held/{self.id}",
                remove_at=desk.clock.in_(retention),
                now=desk.clock(),
            )
        return self

    def ask_accept(self) -> None:
        """An operator wants it although it was aborted."""
        with self._desk.database.write() as connection:
            holding.ask_accept(connection, self.id, now=self._desk.clock())

    @property
    def state(self) -> str:
        return str(self._desk.row("associations", id=self.id).state)
