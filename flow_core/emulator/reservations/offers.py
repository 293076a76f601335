"""Offers: the terms and prices of reservations. They are INVENTED; the platform's are not published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flow_core.emulator.http.responses import ApiError
from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.money import format_dollars

STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class ReservationOffer:
    """Cents for one hour of one instance: the price, and the credits for a pause and for a return."""

    key: str
    name: str
    unit_cents: int
    pause_cents: int
    return_cents: int
    premium_cents: int

    def as_json(self, instance_hours: float) -> dict[str, Any]:
        def whole(cents: int) -> str:
            return format_dollars(round(cents * instance_hours))

        return {
            "key": self.key,
            "display_name": self.name,
            "unit_price": format_dollars(self.unit_cents),
            "return_buyback_price": format_dollars(self.return_cents),
            "pause_buyback_price": format_dollars(self.pause_cents),
            "total_price": whole(self.unit_cents),
            "total_etbp_value": whole(self.return_cents),
            "total_fubp_value": whole(self.pause_cents),
            "option_premium": whole(self.premium_cents),
        }


def list_offers(auction: Auction) -> tuple[ReservationOffer, ...]:
    usual = auction.offering.reserved_cents
    premium = usual // 10
    return (
        ReservationOffer(STANDARD, "Standard", usual, usual // 4, usual // 5, 0),
        ReservationOffer("flexible", "Flexible", usual + premium, usual // 2, usual // 2, premium),
    )


def choose_offer(auction: Auction, key: str, most_cents: int | None) -> ReservationOffer:
    """Returns the offer with this key. Raises ApiError if it is unknown or too expensive."""
    offer = next((one for one in list_offers(auction) if one.key == key), None)
    if offer is None:
        raise ApiError(400, f"Offer {key} does not exist")
    if most_cents is not None and offer.unit_cents > most_cents:
        raise ApiError(400, f"The price is now {format_dollars(offer.unit_cents)}, above max_unit_price")
    return offer
