"""Instances: find them by what somebody can name, and see where they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hilum.ledger import searches
from hilum.ledger.account import Entry
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, NameQuery, Number, NumberQuery, Patient, Sheet, Study, decode, number, page
from hilum.web.shape import page_of, shape
from hilum.web.tagged import Tagged

_Uid = Annotated[str | None, Query(min_length=1, max_length=64)]


def router(desk: Desk) -> APIRouter:
    """``/instances``."""
    routes = APIRouter(prefix="/instances", tags=["instances"], route_class=Tagged)

    @routes.get("", name="list", response_model=page_of(Entry, "Instance"), summary="Find instances")
    def list_instances(
        *,
        study: Study = None,
        series: Annotated[_Uid, Query(description="Series Instance UID.")] = None,
        patient: Patient = None,
        sop_instance: Annotated[_Uid, Query(alias="sop-instance", description="SOP Instance UID.")] = None,
        association: NameQuery = None,
        group: NumberQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[Entry]:
        """Those that were answered with success, those accepted last first, each with the one place where it is."""
        key = decode(cursor, (number,))
        with desk.database.read() as connection:
            found = searches.list_instances(
                connection,
                study=study,
                series=series,
                patient=patient,
                sop_instance=sop_instance,
                association_id=association,
                group_id=group,
                after=None if key is None else key[0],
                limit=limit + 1,
            )
        return page(found, limit, lambda one: (one.id,))

    @routes.get("/{instance}", name="show", response_model=shape(Entry, "Instance"), summary="One instance")
    def show(instance: Number) -> Entry:
        """By the number that lists have; one SOP Instance UID can have come more than once."""
        with desk.database.read() as connection:
            return searches.instance(connection, instance)

    return routes
