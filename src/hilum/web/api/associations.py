"""Associations: open, past, held, rejected; accept what is held, abort what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter

from hilum import orders, states
from hilum.association.observer import Tally
from hilum.errors import PermanentError
from hilum.ledger import annals, searches, views
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.ledger.transition import NoSuchRowError
from hilum.model import AssociationInfo
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, Name, NameQuery, Sheet, Since, Until, decode, number, page, text
from hilum.web.shape import page_of, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationDetail:
    """An association and what came of it.

    Attributes:
        groups: Those it has contributed to, by number.
        timeline: All that happened to it, in the order of time.
    """

    association: AssociationView
    groups: tuple[GroupView, ...]
    timeline: tuple[HistoryLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    calling: str | None
    called: str | None
    host: str | None

    def fits(self, info: AssociationInfo) -> bool:
        return (self.calling or info.calling, self.called or info.called, self.host or info.host) == (
            info.calling,
            info.called,
            info.host,
        )


def router(desk: Desk) -> APIRouter:
    """``/associations``."""
    routes = APIRouter(prefix="/associations", tags=["associations"], route_class=Tagged)
    _lists(routes, desk)
    _one(routes, desk)
    return routes


def _lists(routes: APIRouter, desk: Desk) -> None:
    @routes.get("", name="list", response_model=page_of(AssociationView), summary="List associations")
    def list_associations(
        *,
        state: states.Association | None = None,
        calling: NameQuery = None,
        called: NameQuery = None,
        host: NameQuery = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[AssociationView]:
        """Those opened last first.

        These are the ones that are open here now, also before they have stored anything, with what has come so far; and
        those that have stored something. Times are those at which they were opened.
        """
        key = decode(cursor, (text,))
        after = None if key is None else key[0]
        with desk.database.read() as connection:
            found = searches.list_associations(
                connection,
                state=state,
                calling=calling,
                called=called,
                host=host,
                since=since,
                until=until,
                after=after,
                limit=limit + 1,
            )
        wanted = _Wanted(calling=calling, called=called, host=host)
        here = (
            []
            if state not in {None, states.Association.OPEN}
            else [
                info
                for info in desk.talking()
                if wanted.fits(info)
                and (after is None or info.id < after)
                and (since is None or info.opened_at >= since)
                and (until is None or info.opened_at < until)
            ]
        )
        merged = _with_open(found, here, desk)
        return page(merged[: limit + 1], limit, lambda one: (one.id,))

    @routes.get("/rejected", name="rejected", response_model=page_of(HistoryLine), summary="Who was turned away")
    def rejected(limit: Limit = 50, cursor: Cursor = None) -> Sheet[HistoryLine]:
        """Requests for an association that were rejected, the last first, with reason and remedy.

        `subject` is the address of the peer.
        """
        key = decode(cursor, (number,))
        with desk.database.read() as connection:
            found = annals.list_history(
                connection,
                machine="association",
                event="rejected",
                before=None if key is None else key[0],
                limit=limit + 1,
            )
        return page(found[::-1], limit, lambda line: (line.id,))


def _one(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/{association}", name="show", response_model=shape(AssociationDetail), summary="One association")
    def show(association: Name) -> AssociationDetail:
        """By its whole id."""
        with desk.database.read() as connection:
            timeline = annals.row_history(connection, "association", association)
            try:
                found = [searches.association(connection, association)]
            except NoSuchRowError:
                found = []
            groups = searches.groups_of(connection, association)
        here = [info for info in desk.talking() if info.id == association]
        if not here and not found:
            raise NoSuchRowError(
                f"there is no association {association!r} that is open here or has stored anything; "
                "what else was refused stands in the history"
            )
        (one,) = _with_open(found, here, desk)
        return AssociationDetail(association=one, groups=tuple(groups), timeline=tuple(timeline))

    @routes.post("/{association}/abort", name="abort", response_model=Done, status_code=202, summary="Abort it")
    def abort(association: Name) -> Done:
        """The sender is cut off. What it has stored is held aside until somebody accepts it or it is sent again."""
        if desk.abort(association, "asked for in the dashboard or by the API"):
            return Done(done=f"Association {association} is being aborted")
        with desk.database.read() as connection:
            found = searches.association(connection, association)
            where = next((one for one in views.list_gateways(connection) if one.id == found.owner), None)
        if found.state is states.Association.OPEN and found.owner != desk.owner:
            there = "" if where is None else f" on {where.host}{where.address and f', {where.address}'}"
            raise PermanentError(f"association {association} is open at gateway {found.owner}{there}: abort it there")
        raise PermanentError(f"association {association} is not open any more: there is nothing to abort")

    @routes.post(
        "/{association}/accept", name="accept", response_model=Done, status_code=202, summary="Take what it stored"
    )
    def accept(association: Name) -> Done:
        """As `hilum accept ASSOCIATION`, of one that is held: as if it had been released."""
        with desk.database.write() as connection:
            found = orders.accept(connection, association, desk.clock())
        desk.wake()
        return Done(done=f"The {found.instances} instances from {found.calling} are taken as if they had been released")


def _with_open(found: Sequence[AssociationView], here: Sequence[AssociationInfo], desk: Desk) -> list[AssociationView]:
    """What the ledger has and what is open here, those opened last first, each once."""
    progress: Mapping[str, Tally] = desk.progress() if here else {}
    rows: dict[str, AssociationView] = {one.id: one for one in found}
    for info in here:
        tally = progress.get(info.id, Tally())
        known = rows.get(info.id) or _not_stored_yet(info, desk.owner)
        if known.state is states.Association.OPEN:  # else it has ended since
            rows[info.id] = replace(
                known,
                instances=tally.stored,
                bytes=tally.data_bytes,
                ignored=tally.passed_over,
                refused=tally.refused,
            )
    return [rows[name] for name in sorted(rows, reverse=True)]


def _not_stored_yet(info: AssociationInfo, owner: str) -> AssociationView:
    return AssociationView(
        id=info.id,
        state=states.Association.OPEN,
        owner=owner,
        calling=info.calling,
        called=info.called,
        host=info.host,
        port=info.port,
        opened_at=info.opened_at,
        ended_at=None,
        instances=0,
        bytes=0,
        ignored=0,
        refused=0,
        why="",
        folder="",
        remove_at=None,
    )
