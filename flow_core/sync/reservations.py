"""Reservations, for blocking code."""

from __future__ import annotations

from flow_core.client.reservations import AsyncReservationResource
from flow_core.sync.twin import BlockingTwin, make_blocking


class ReservationResource(BlockingTwin[AsyncReservationResource]):
    """The reservations of one context."""

    create = make_blocking(AsyncReservationResource.create)
    get = make_blocking(AsyncReservationResource.get)
    cancel = make_blocking(AsyncReservationResource.cancel)
    availability = make_blocking(AsyncReservationResource.availability)
    list = make_blocking(AsyncReservationResource.list)
