"""Reservations: their quotes, and what the cloud can do with them beyond the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from testbed.mithril_account import CloudLab
from testbed.waiting import until

from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, Unsupported
from flow_core.models.reservation import ReservationQuote
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.providers.mithril.reservations import MithrilReservations


@pytest.fixture
def facet(lab: CloudLab) -> MithrilReservations:
    found = lab.flow.provider.reservations
    assert isinstance(found, MithrilReservations)
    return found


def spec(**fields: Any) -> ReservationSpec:
    return ReservationSpec.parse({"instance_type": "8xh100", "duration_hours": 4} | fields)


async def held(lab: CloudLab, facet: MithrilReservations, **fields: Any) -> str:
    made = await facet.create(spec(**fields))

    async def is_active() -> bool:
        return (await facet.get(made.reservation_id)).status == "active"

    await until(is_active)
    return made.reservation_id


async def test_the_quote_comes_first_and_is_part_of_the_described_call(
    lab: CloudLab, facet: MithrilReservations
) -> None:
    quote = await facet.quote(spec(quantity=2))
    assert quote.total_usd == 8 * quote.unit_usd_per_hour
    each, all_of_it = quote.unit_usd_per_hour, quote.total_usd
    described = facet.describe_create(spec(quantity=2), quote)
    assert described.endswith(f"for 4 h, ${each}/h per instance, paid in full: ${all_of_it} total")


async def test_a_reservation_that_costs_more_than_its_quote_is_not_created(
    lab: CloudLab, facet: MithrilReservations
) -> None:
    quote = await facet.quote(spec())
    shown = replace(quote, unit_usd_per_hour=quote.unit_usd_per_hour - Decimal("0.01"))
    with pytest.raises(Conflict, match="fetch the price again"):
        await facet.create(spec(), shown)
    assert not lab.cloud.world.reservations
    assert (await facet.create(spec(), quote)).price_total_usd == quote.total_usd


async def test_a_client_shows_the_price_before_it_reserves(lab: CloudLab) -> None:
    held = await lab.flow.reserve("8xh100", 4)
    assert held.price_total_usd is not None
    assert lab.count("GET", "/v2/reservation/quote") == 1


async def test_it_can_be_extended_paused_and_resumed(lab: CloudLab, facet: MithrilReservations) -> None:
    reservation_id = await held(lab, facet)
    before = await facet.get(reservation_id)
    assert before.end_time_utc is not None
    longest = await facet.times.latest_extension(reservation_id)
    assert longest is not None
    assert longest >= before.end_time_utc + timedelta(hours=2)
    extended = await facet.extend(reservation_id, 2, await facet.quote(spec()))
    assert extended.end_time_utc == before.end_time_utc + timedelta(hours=2)
    assert (await facet.pause(reservation_id)).status == "paused"
    assert (await facet.pause(reservation_id)).status == "paused"
    assert (await facet.resume(reservation_id)).status == "active"
    with pytest.raises(Conflict):
        await facet.extend(reservation_id, 1, ReservationQuote(Decimal("0.01"), Decimal("0.01")))
    await facet.release(reservation_id)
    with pytest.raises(Conflict, match="has ended"):
        await facet.extend(reservation_id, 1)


async def test_an_extension_whose_response_is_lost_is_not_paid_twice(lab: CloudLab, facet: MithrilReservations) -> None:
    reservation_id = await held(lab, facet)
    before = (await facet.get(reservation_id)).end_time_utc
    lab.add_fault("POST", "/v2/reservation/*/extend", when="after", status=500)
    with pytest.raises(FlowError, match="look before you try again"):
        await facet.extend(reservation_id, 1)
    assert before is not None
    assert (await facet.get(reservation_id)).end_time_utc == before + timedelta(hours=1)
    assert lab.count("POST", "/v2/reservation/*/extend") == 1


async def test_availability_is_read_in_three_modes(lab: CloudLab, facet: MithrilReservations) -> None:
    now = datetime.now(UTC)
    soon, later = now + timedelta(hours=1), now + timedelta(hours=9)
    slots = await facet.availability({"instance_type": "8xh100", "latest_end_time": later})
    assert slots
    most = slots[0]["quantity"]
    assert await facet.times.is_free("8xh100", soon, later, most)
    assert not await facet.times.is_free("8xh100", soon, later, most + 1)
    latest = await facet.times.latest_end("8xh100", soon, most)
    assert latest is not None
    assert latest > later
    assert await facet.times.latest_end("8xh100", soon, most + 1) is None


REFUSED: list[tuple[Callable[[MithrilReservations], Awaitable[Any]], type[FlowError], str]] = [
    (lambda facet: facet.create(spec(duration_hours=2)), ConfigError, "3 to 336 hours"),
    (lambda facet: facet.quote(spec(auto_renew=True)), Unsupported, "extend the reservation"),
    (lambda facet: facet.create(spec(region="mars")), ConfigError, "offers nothing"),
    (lambda facet: facet.create(spec(ssh_keys=["no-such"])), ConfigError, "no key 'no-such'"),
    (lambda facet: facet.availability({"when": "now"}), ConfigError, "is not a known parameter"),
    (lambda facet: facet.availability({"instance_type": "8xh100", "latest_end_time": "soon"}), ConfigError, "ISO 8601"),
    (lambda facet: facet.extend("res_nobody", 1), NotFound, "no reservation is called"),
    (lambda facet: facet.pause("../bids"), NotFound, "no reservation is called"),
]


@pytest.mark.parametrize(("ask", "error", "message"), REFUSED, ids=range(len(REFUSED)))
async def test_an_impossible_request_is_refused_before_anything_is_created(
    lab: CloudLab, facet: MithrilReservations, ask: Any, error: type[FlowError], message: str
) -> None:
    with pytest.raises(error, match=message):
        await ask(facet)
    assert lab.count("POST", "/v2/reservation*") == 0


async def test_a_reservation_is_found_in_the_list_if_the_api_has_no_call_for_one(
    lab: CloudLab, facet: MithrilReservations
) -> None:
    reservation_id = await held(lab, facet)
    lab.add_fault("GET", "/v2/reservation/res_*", status=404, times=None)
    assert (await facet.get(reservation_id)).status == "active"
    await facet.release(reservation_id)
    assert [one.status for one in await facet.list({"status": "canceled"})] == ["canceled"]
