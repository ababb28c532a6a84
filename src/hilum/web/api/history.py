"""History: what was refused, ignored, held, tried in vain, given up, and everything else that happened."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from hilum.ledger import annals
from hilum.ledger.shown import HistoryLine
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, NameQuery, Sheet, Since, Until, decode, encode, number, page
from hilum.web.shape import page_of
from hilum.web.tagged import Tagged


def router(desk: Desk) -> APIRouter:
    """``/history``."""
    routes = APIRouter(prefix="/history", tags=["history"], route_class=Tagged)

    @routes.get("", name="list", response_model=page_of(HistoryLine), summary="Read the history")
    def list_history(
        *,
        machine: Annotated[NameQuery, Query(description="Only about this kind: job, delivery, …")] = None,
        subject: Annotated[NameQuery, Query(description="Only about this one of that kind.")] = None,
        since: Since = None,
        until: Until = None,
        text: Annotated[
            str | None,
            Query(min_length=1, max_length=200, description="In the subject, event, reason or remedy."),
        ] = None,
        everything: Annotated[
            bool, Query(alias="all", description="Every change of every state, not only what went wrong.")
        ] = False,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Sheet[HistoryLine]:
        """The last lines first, each with its reason and what to do.

        A search for a text looks at some ten thousand lines at a time: a page may be empty and still have a `next`.
        """
        if subject is not None and machine is None:
            raise HTTPException(422, "`subject` needs `machine`: the same number can be a group's and a delivery's")
        key = decode(cursor, (number,))
        before = None if key is None else key[0]
        with desk.database.read() as connection:
            found = annals.list_history(
                connection,
                since=since,
                until=until,
                before=before,
                everything=everything,
                machine=machine,
                subject=subject,
                text=text,
                limit=limit + 1,
            )
            begun = 1 if text is None else annals.text_begins(connection, before)
        sheet = page(found[::-1], limit, lambda line: (line.id,))
        if sheet.next is None and begun > 1:
            return Sheet(items=sheet.items, next=encode(begun))
        return sheet

    return routes
