"""Deliveries: what goes where, what came of it; try again, one or many."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from hilum import orders, states, words
from hilum.errors import PermanentError
from hilum.ledger import views, work
from hilum.ledger.shown import DeliveryView
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, NameQuery, Number, Sheet, decode, moment, number, page
from hilum.web.shape import Shape, page_of, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done


class DeliveryFilter(Shape):
    """DeliveryFilter deliveries are meant: those that fit all that is said."""

    state: states.Delivery = Field(
        default=states.Delivery.GIVEN_UP, description="given up, or due: those that wait for their next try."
    )
    destination: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="The name of one; null: all."
    )
    job: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Id or name of one, or the beginning of either; null: of all."
    )


def router(desk: Desk) -> APIRouter:
    """``/deliveries``."""
    routes = APIRouter(prefix="/deliveries", tags=["deliveries"], route_class=Tagged)

    @routes.get("", name="list", response_model=page_of(DeliveryView), summary="List deliveries")
    def list_deliveries(
        *,
        state: states.Delivery | None = None,
        destination: NameQuery = None,
        job: NameQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[DeliveryView]:
        """Those queued last first, within a job by path."""
        after = decode(cursor, (moment, number))
        with desk.database.read() as connection:
            found = views.list_deliveries(
                connection,
                now=desk.clock(),
                state=state,
                destination=destination,
                job_id=None if job is None else work.find(connection, job).id,
                after=after,
                limit=limit + 1,
            )
        return page(found, limit, lambda one: (one.queued_at, one.id))

    @routes.post("/retry", name="retry_many", response_model=Done, status_code=202, summary="Try many again")
    def retry_many(which: DeliveryFilter) -> Done:
        """At most some thousand at a time; the answer says whether to ask again for more."""
        if which.state is states.Delivery.DELIVERED:
            raise PermanentError("what has been delivered is never sent again; `state` is given up or due")
        with desk.database.read() as connection:
            job_id = None if which.job is None else work.find(connection, which.job).id
        return retry_by_filter(desk, which.state, which.destination, job_id)

    @routes.get("/{delivery}", name="show", response_model=shape(DeliveryView), summary="One delivery")
    def show(delivery: Number) -> DeliveryView:
        """By its number."""
        with desk.database.read() as connection:
            return views.delivery(connection, delivery, now=desk.clock())

    @routes.post("/{delivery}/retry", name="retry", response_model=Done, status_code=202, summary="Try it now")
    def retry(delivery: Number) -> Done:
        """As `hilum retry delivery:NUMBER`, of one that waits or was given up."""
        with desk.database.write() as connection:
            done = orders.retry_delivery(connection, delivery, desk.clock())
        desk.wake()
        return Done(done=done)

    return routes


def retry_by_filter(desk: Desk, state: states.Delivery, destination: str | None, job_id: str | None) -> Done:
    """Try many again.

    Raises:
        PermanentError: There is nothing to try.
    """
    came = orders.retry_deliveries(desk.database, desk.clock(), state=state, destination=destination, job_id=job_id)
    if not came.done:
        left = (
            f"; {came.left} are being tried, were cancelled by an operator, or have no file any more"
            if came.left
            else ""
        )
        raise PermanentError(f"no delivery that is {state} can be tried again{left}")
    desk.wake()
    more = "; ask again for more" if came.more else ""
    return Done(done=f"{words.count(came.done, 'delivery', 'deliveries')} will be tried now{more}")
