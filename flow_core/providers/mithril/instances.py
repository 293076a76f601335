"""What could be had: every type in every region that offers it."""

from __future__ import annotations

from flow_core.errors import ConfigError
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.mithril.catalog import Catalog, Offer

_PACKS = (8, 4, 2)


class MithrilInstances:
    """See the contract. `instance_type` of what is found is the API's name; a shorthand finds it too."""

    def __init__(self, context: str, catalog: Catalog) -> None:
        self._context = context
        self._catalog = catalog

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        offers = await self._catalog.offers()
        rest = requirements.copy()
        if wanted := rest.pop("instance_type", None):
            offers = tuple(one for one in offers if one.type.is_asked_for(wanted))
        found = (_available(self._context, offer) for offer in offers)
        return tuple(one for one in found if one.fits(rest))

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """As few instances as hold so many GPUs, in eights, fours or twos where that comes out even."""
        if gpu_count < 0:
            raise ConfigError("gpu_count: must not be negative", field="gpu_count")
        if gpu_count == 0:
            return "cpu", 1, None
        each = next((pack for pack in _PACKS if gpu_count % pack == 0), 1)
        return f"{each}x{gpu_type or 'a100'}", gpu_count // each, None


def _available(context: str, offer: Offer) -> AvailableInstance:
    kind = offer.type
    return AvailableInstance(
        context=context,
        allocation_id=offer.auction_id,
        instance_type=kind.name,
        region=offer.region,
        price_per_hour=float(offer.price_usd),
        gpu_type=kind.gpu_type or None,
        gpu_count=kind.gpu_count,
        gpu_memory_gb=kind.gpu_memory_gb or None,
        cpu_count=kind.cpu_count or None,
        memory_gb=kind.memory_gb or None,
        available_quantity=offer.capacity,
        status="available" if offer.capacity else "full",
        internode_interconnect=kind.network or None,
        intranode_interconnect=kind.socket or None,
        description=kind.short_name,
    )
