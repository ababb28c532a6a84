"""Groups: which are open and for how long, what is in them; close now, give to the workflows again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from hilum import orders, states
from hilum.ledger import annals, searches, views
from hilum.ledger.account import Entry
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, NameQuery, Number, Patient, Sheet, Study, decode, moment, number, page
from hilum.web.shape import page_of, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done


def router(desk: Desk) -> APIRouter:
    """``/groups``."""
    routes = APIRouter(prefix="/groups", tags=["groups"], route_class=Tagged)
    _lists(routes, desk)
    _details(routes, desk)
    _commands(routes, desk)
    return routes


def _lists(routes: APIRouter, desk: Desk) -> None:
    @routes.get("", name="list", response_model=page_of(GroupView), summary="List groups")
    def list_groups(
        *,
        state: Annotated[list[states.Group] | None, Query(description="Only in these; may be repeated.")] = None,
        ae: NameQuery = None,
        study: Study = None,
        patient: Patient = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[GroupView]:
        """Open ones first, those that close next at the top; then the others, the newest first.

        All but removed ones, unless states are asked for.
        """
        after = decode(cursor, (lambda part: None if part is None else moment(part), number))
        with desk.database.read() as connection:
            found = views.list_groups(
                connection,
                states_wanted=state or (),
                ae=ae,
                study=study,
                patient=patient,
                after=after,
                limit=limit + 1,
            )
        return page(
            found, limit, lambda group: (group.closes_at if group.state is states.Group.OPEN else None, group.id)
        )


def _details(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/{group}", name="show", response_model=shape(GroupView), summary="One group")
    def show(group: Number) -> GroupView:
        """By its number."""
        with desk.database.read() as connection:
            return views.group(connection, group)

    @routes.get(
        "/{group}/senders",
        name="senders",
        response_model=list[shape(AssociationView)],  # type: ignore[misc]
        summary="Which associations it came from",
    )
    def senders(group: Number) -> Sequence[AssociationView]:
        """In the order in which they were opened."""
        with desk.database.read() as connection:
            return views.senders(connection, views.group(connection, group).id)

    @routes.get(
        "/{group}/instances", name="instances", response_model=page_of(Entry, "Instance"), summary="What is in it"
    )
    def instances(group: Number, limit: Limit = 50, cursor: Cursor = None) -> Sheet[Entry]:
        """Those accepted last first, repeated and damaged ones, too."""
        key = decode(cursor, (number,))
        with desk.database.read() as connection:
            found = searches.list_instances(
                connection,
                group_id=views.group(connection, group).id,
                after=None if key is None else key[0],
                limit=limit + 1,
            )
        return page(found, limit, lambda one: (one.id,))

    @routes.get(
        "/{group}/timeline",
        name="timeline",
        response_model=list[shape(HistoryLine)],  # type: ignore[misc]
        summary="All that happened to it",
    )
    def timeline(group: Number) -> Sequence[HistoryLine]:
        """In the order of time."""
        with desk.database.read() as connection:
            return annals.row_history(connection, "group", str(views.group(connection, group).id))


def _commands(routes: APIRouter, desk: Desk) -> None:
    @routes.post("/{group}/close", name="close", response_model=Done, status_code=202, summary="Close it now")
    def close(group: Number) -> Done:
        """As `hilum groups close GROUP`: its jobs start with what has arrived."""
        with desk.database.write() as connection:
            orders.close_group(connection, group, desk.clock())
        desk.wake()
        return Done(done=f"Group {group} is closed")

    @routes.post(
        "/{group}/retry", name="retry", response_model=Done, status_code=202, summary="Give it to the workflows again"
    )
    def retry(group: Number) -> Done:
        """As `hilum retry group:GROUP`, of one that is parked or stored only."""
        with desk.database.write() as connection:
            done = orders.retry_group(connection, group, desk.clock())
        desk.wake()
        return Done(done=done)
