"""The cloud's instance types, and the auctions that offer them in each region."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flow_core.errors import ProviderError
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.logs.escape import escape_controls
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_rows
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.money import parse_usd

_TYPES_KEPT_S = 3600.0
_OFFERS_KEPT_S = 5.0
# The memory of a GPU family in GB; a name states the memory only if it differs.
_FAMILY_MEMORY_GB = {
    **{"a100": 80, "h100": 80, "h200": 141, "gh200": 96, "b200": 192, "gb200": 192, "b300": 288, "gb300": 288},
    **{"a40": 48, "a6000": 48, "l40s": 48, "a10": 24, "l4": 24, "v100": 16, "t4": 16},
}


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type. Memory is GB; `gpu_memory_gb` is that of one GPU."""

    type_id: str
    name: str
    gpu_type: str
    gpu_count: int
    gpu_memory_gb: int
    cpu_count: int
    memory_gb: int
    socket: str
    network: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> InstanceType:
        """Parses a row. Raises ProviderError."""
        return cls(
            response_fields.read_id(row),
            response_fields.read_word(row, "name") or response_fields.read_word(row, "fid"),
            response_fields.read_word(row, "gpu_type").lower(),
            response_fields.read_number(row, "num_gpus"),
            response_fields.read_number(row, "gpu_memory_gb"),
            response_fields.read_number(row, "num_cpus"),
            response_fields.read_number(row, "ram_gb"),
            response_fields.read_word(row, "gpu_socket"),
            response_fields.read_word(row, "network_type"),
        )

    @property
    def short_name(self) -> str:
        """The usual short name, such as "8xh100"; with the memory if it isn't the usual one of the family."""
        if not self.gpu_count:
            return self.name
        is_usual = _FAMILY_MEMORY_GB.get(self.gpu_type, self.gpu_memory_gb) == self.gpu_memory_gb
        return f"{self.gpu_count}x{self.gpu_type}" + ("" if is_usual else f"-{self.gpu_memory_gb}gb")

    def matches_text(self, text: str) -> bool:
        """Returns whether a shorthand, a name or an id means this type. Raises ConfigError."""
        return (
            text in (self.type_id, self.name)
            or text.lower() == self.name.lower()
            or self._matches_request(parse_gpu(text))
        )

    def _matches_request(self, request: GpuRequest) -> bool:
        if request.type_id is not None or not request.needs_gpu:
            return request.type_id == self.type_id if request.needs_gpu else self._has_cpus(request.cpus or 0)
        if self.gpu_count != request.count or self.gpu_memory_gb < (request.min_memory_gb or 0):
            return False
        return request.model is None or self._matches_model(request.model)

    def matches_model(self, request: GpuRequest) -> bool:
        """Returns whether it has the requested GPU model, in any number."""
        return request.model is not None and bool(self.gpu_count) and self._matches_model(request.model)

    def _has_cpus(self, min_cpus: int) -> bool:
        return not self.gpu_count and self.cpu_count >= min_cpus

    def _matches_model(self, model: str) -> bool:
        """Returns whether the model, and each further part that it names (memory, socket), match this type.

        Examples: "h100", "h100-80gb", "h100-80gb.sxm", "h100-80gb-sxm5".
        """
        family, *rest = re.split(r"[-.]", model)
        memory = f"{self.gpu_memory_gb}gb"
        return family == self.gpu_type.partition("-")[0] and all(
            part == memory or self.socket.lower().startswith(part) or f".{part}" in self.name.lower() for part in rest
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A type in a region. Prices are USD per hour and instance; `capacity` counts the free instances."""

    auction_id: str
    type: InstanceType
    region: str
    capacity: int
    price_usd: Decimal


class Catalog:
    """The types, read once an hour, and the offers, read again after five seconds."""

    def __init__(self, http: MithrilHttp) -> None:
        self._http = http
        self._types: dict[str, InstanceType] = {}
        self._offers = Listing[Offer]()
        self._types_at = self._offers_at = -_TYPES_KEPT_S

    async def get_types(self) -> dict[str, InstanceType]:
        """Returns the types by id."""
        if time.monotonic() - self._types_at >= _TYPES_KEPT_S:
            rows = response_fields.read_rows(await self._http.get("/v2/instance-types"), "instance types")
            listed = parse_rows(rows, InstanceType.of, "instance types")
            self._types = {listed_type.type_id: listed_type for listed_type in listed}
            self._types_at = time.monotonic()
        return self._types

    @property
    def known(self) -> tuple[dict[str, InstanceType], Listing[Offer]]:
        """The types and offers of the last responses, of any age."""
        return self._types, self._offers

    async def get_offers(self) -> Listing[Offer]:
        """Returns the offers, cheapest first, then smallest."""
        if time.monotonic() - self._offers_at >= _OFFERS_KEPT_S:
            types = await self.get_types()
            rows = response_fields.read_rows(await self._http.get("/v2/spot/availability"), "auctions")
            offers = parse_rows(rows, lambda row: _parse_offer(row, types), "auctions")
            cheapest_first = sorted(offers, key=lambda offer: (offer.price_usd, offer.type.gpu_count, offer.region))
            self._offers = Listing.of(cheapest_first, offers.unreadable)
            self._offers_at = time.monotonic()
        return self._offers


def _parse_offer(row: dict[str, Any], types: dict[str, InstanceType]) -> Offer:
    """Parses an offer. Raises ProviderError."""
    kind = types.get(response_fields.read_text(row, "instance_type"))
    price = parse_usd(row.get("last_instance_price"))
    if kind is None or price is None:
        auction_id = response_fields.read_word(row, "fid")
        raise ProviderError(f"auction {auction_id} is of a type or at a price that isn't known")
    return Offer(
        response_fields.read_id(row),
        kind,
        escape_controls(response_fields.read_text(row, "region")),
        response_fields.read_number(row, "capacity"),
        price,
    )
