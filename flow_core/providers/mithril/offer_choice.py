"""Chooses the offer for a bid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flow_core.errors import CapacityError, ConfigError
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.providers.mithril.catalog import Offer
from flow_core.providers.mithril.money import format_usd

_SHOWN_MAX = 12


@dataclass(frozen=True, slots=True)
class OfferQuery:
    """The requirements of an instance: one of these types, the first that is offered.

    Without types: any type with `gpu_memory_gb` GB of memory for each GPU, for at most `most_usd` USD an hour. `cpus`
    and `memory_gb` are those of the whole instance.
    """

    types: Sequence[str] = ()
    region: str | None = None
    gpu_memory_gb: int | None = None
    cpus: int | None = None
    memory_gb: int | None = None
    most_usd: Decimal | None = None

    @property
    def where(self) -> str:
        """The region as part of a sentence; "" without one."""
        return "" if self.region is None else f" in {self.region}"


def choose_offer(offers: Sequence[Offer], query: OfferQuery) -> Offer:
    """Returns the cheapest matching offer with free capacity; without any, the cheapest. `offers` are cheapest first.

    Raises ConfigError, CapacityError.
    """
    in_region = [offer for offer in offers if query.region in (None, offer.region)]
    if not in_region:
        raise ConfigError(
            f"region: {query.region!r} offers nothing; regions are: {_join(offer.region for offer in offers)}",
            field="region",
        )
    if not query.types and query.gpu_memory_gb is None:
        raise _missing_type_error(in_region, query)
    if not query.types:
        return _choose_by_memory(in_region, query)
    for text in query.types:
        if matching := [offer for offer in in_region if offer.type.matches_text(text)]:
            return _choose_best(_select_large_enough(matching, query))
    raise ConfigError(f"instance_type: {_explain_not_offered(offers, in_region, query)}", field="instance_type")


def find_sizes(offers: Iterable[Offer], request: GpuRequest) -> dict[int, str]:
    """Returns the sizes in which a GPU model is offered, smallest first.

    Each is a shorthand, by its number of GPUs.
    """
    sizes = {offer.type.gpu_count: offer.type.short_name for offer in offers if offer.type.matches_model(request)}
    return dict(sorted(sizes.items()))


def _missing_type_error(offers: Sequence[Offer], query: OfferQuery) -> ConfigError:
    """Returns the error for a task without a type. Flow chooses none itself, since prices differ a hundredfold."""
    best = _choose_best(_select_large_enough([offer for offer in offers if offer.type.gpu_count] or offers, query))
    cost = f"{format_usd(best.price_usd)}/h now in {best.region}"
    return ConfigError(
        f'instance_type: is missing; the cheapest that fits is instance_type="{best.type.short_name}", for {cost}',
        field="instance_type",
    )


def _explain_not_offered(all_offers: Sequence[Offer], in_region: Sequence[Offer], query: OfferQuery) -> str:
    """Explains why the first type can't be provided, and names the most similar types."""
    text = query.types[0]
    if elsewhere := [offer.region for offer in all_offers if offer.type.matches_text(text)]:
        return f"{text!r} is not offered{query.where}, but in {_join(iter(elsewhere))}; choose another type or region"
    request = parse_gpu(text)
    if sizes := list(find_sizes(in_region, request).values()) or list(find_sizes(all_offers, request).values()):
        return f"{request.model} is offered only as {', '.join(sizes)}; did you mean {sizes[0]}?"
    return f"{text!r} is not offered{query.where}; there are: {_list_type_names(in_region)}"


def _choose_by_memory(offers: Sequence[Offer], query: OfferQuery) -> Offer:
    min_gb = query.gpu_memory_gb or 0
    fitting = [offer for offer in offers if offer.type.gpu_count and offer.type.gpu_memory_gb >= min_gb]
    if not fitting:
        raise CapacityError(f"no GPU with {min_gb} GB is offered{query.where}; there are: {_list_type_names(offers)}")
    fitting = _select_large_enough(fitting, query)
    affordable = [offer for offer in fitting if query.most_usd is None or offer.price_usd <= query.most_usd]
    if not affordable and query.most_usd is not None:
        raise CapacityError(
            f"no type with {min_gb} GB per GPU costs {format_usd(query.most_usd)}/h or less now; "
            f"the cheapest is {fitting[0].type.name} at {format_usd(fitting[0].price_usd)}/h"
        )
    return _choose_best(affordable)


def _select_large_enough(offers: Sequence[Offer], query: OfferQuery) -> list[Offer]:
    """Selects the offers with enough CPUs and memory. Raises ConfigError if there is none."""
    remaining = list(offers)
    sizes: tuple[tuple[str, str, int, Callable[[Offer], int]], ...] = (
        ("min_cpus", "CPUs", query.cpus or 0, lambda offer: offer.type.cpu_count),
        ("min_memory_gb", "GB of memory", query.memory_gb or 0, lambda offer: offer.type.memory_gb),
    )
    for field, noun, minimum, size_of in sizes:
        maximum = max(map(size_of, remaining))
        if maximum < minimum:
            raise ConfigError(
                f"{field}: none of the requested instances has {minimum} {noun}; the most is {maximum}", field=field
            )
        remaining = [offer for offer in remaining if size_of(offer) >= minimum]
    return remaining


def _choose_best(fitting: Sequence[Offer]) -> Offer:
    return next((offer for offer in fitting if offer.capacity > 0), fitting[0])


def _list_type_names(offers: Iterable[Offer]) -> str:
    return _join(offer.type.name for offer in offers)


def _join(names: Iterator[str]) -> str:
    unique = sorted(dict.fromkeys(names))
    return ", ".join(unique[:_SHOWN_MAX]) + (", …" if len(unique) > _SHOWN_MAX else "") if unique else "none"
