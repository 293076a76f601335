"""The current offers: every type in every region that offers it."""

from __future__ import annotations

from collections.abc import Mapping

from flow_core.errors import ConfigError
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril.catalog import Catalog, Offer
from flow_core.providers.mithril.offer_choice import find_sizes

_PACKS = (8, 4, 2)
_DEFAULT_MODEL = "a100"


class MithrilInstances:
    """The instance facet of the contract. Offers have the API's name of the type; a shorthand finds them too."""

    def __init__(self, context: str, catalog: Catalog) -> None:
        self._context = context
        self._catalog = catalog

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        offers = await self._catalog.get_offers()
        rest = requirements.copy()
        instance_type = rest.pop("instance_type", None)
        matching = (offer for offer in offers if not instance_type or offer.type.matches_text(instance_type))
        available = (_to_available_instance(self._context, offer) for offer in matching)
        return Listing.of((offer for offer in available if offer.fits(rest)), offers.unreadable)

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """Returns the smallest number of instances with `gpu_count` GPUs; guesses the size if none is offered."""
        if gpu_count < 0:
            raise ConfigError("gpu_count: must not be negative", field="gpu_count")
        if gpu_count == 0:
            return "cpu", 1, None
        pack = next((pack for pack in _PACKS if gpu_count % pack == 0), 1)
        default_type = f"{pack}x{gpu_type or _DEFAULT_MODEL}"
        offers = await self._catalog.get_offers()
        try:
            sizes = find_sizes(offers, parse_gpu(gpu_type or _DEFAULT_MODEL))
        except ConfigError as error:
            return default_type, gpu_count // pack, str(error)
        if not sizes:
            return default_type, gpu_count // pack, f"{gpu_type or _DEFAULT_MODEL} is not offered now"
        return _choose_size(gpu_count, sizes, gpu_type or _DEFAULT_MODEL)


def _choose_size(gpu_count: int, sizes: Mapping[int, str], model: str) -> tuple[str, int, str | None]:
    """Chooses the size that leaves the fewest GPUs unused, and of those the largest. `sizes` are shorthands by GPUs."""
    size = min(sizes, key=lambda size: (-gpu_count % size, -size))
    instances = -(-gpu_count // size)
    if not gpu_count % size:
        return sizes[size], instances, None
    offered = ", ".join(sizes.values())
    return (
        sizes[size],
        instances,
        f"{model} is offered only as {offered}: this is {instances * size} GPUs for {gpu_count}",
    )


def _to_available_instance(context: str, offer: Offer) -> AvailableInstance:
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
