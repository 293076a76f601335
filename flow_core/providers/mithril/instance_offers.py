"""What could be had: every type in every region that offers it."""

from __future__ import annotations

from collections.abc import Mapping

from flow_core.errors import ConfigError
from flow_core.gpu import parse_gpu
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril.catalog import Catalog, Offer
from flow_core.providers.mithril.offer_choice import sizes_of

_PACKS = (8, 4, 2)
_USUAL_MODEL = "a100"


class MithrilInstances:
    """See the contract. `instance_type` of what is found is the API's name; a shorthand finds it too."""

    def __init__(self, context: str, catalog: Catalog) -> None:
        self._context = context
        self._catalog = catalog

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        offers = await self._catalog.offers()
        rest = requirements.copy()
        wanted = rest.pop("instance_type", None)
        meant = (one for one in offers if not wanted or one.type.is_asked_for(wanted))
        found = (_available(self._context, offer) for offer in meant)
        return Listing.of((one for one in found if one.fits(rest)), offers.unreadable)

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """As few instances as hold so many GPUs, of the sizes that are offered; by rule where none is."""
        if gpu_count < 0:
            raise ConfigError("gpu_count: must not be negative", field="gpu_count")
        if gpu_count == 0:
            return "cpu", 1, None
        each = next((pack for pack in _PACKS if gpu_count % pack == 0), 1)
        by_rule = f"{each}x{gpu_type or _USUAL_MODEL}"
        offers = await self._catalog.offers()
        try:
            sizes = sizes_of(offers, parse_gpu(gpu_type or _USUAL_MODEL))
        except ConfigError as error:
            return by_rule, gpu_count // each, str(error)
        if not sizes:
            return by_rule, gpu_count // each, f"{gpu_type or _USUAL_MODEL} is not offered now"
        return _fewest(gpu_count, sizes, gpu_type or _USUAL_MODEL)


def _fewest(gpu_count: int, sizes: Mapping[int, str], model: str) -> tuple[str, int, str | None]:
    """The size that leaves the fewest GPUs over, and of those the largest. `sizes` are shorthands by GPUs."""
    size = min(sizes, key=lambda one: (-gpu_count % one, -one))
    instances = -(-gpu_count // size)
    if not gpu_count % size:
        return sizes[size], instances, None
    offered = ", ".join(sizes.values())
    return (
        sizes[size],
        instances,
        f"{model} is offered only as {offered}: this is {instances * size} GPUs for {gpu_count}",
    )


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
        free_gpus=offer.capacity * kind.gpu_count if offer.capacity is not None and kind.gpu_count else None,
        status="available" if offer.capacity else "full",
        internode_interconnect=kind.network or None,
        intranode_interconnect=kind.socket or None,
        description=kind.short_name,
    )
