"""Chooses where to bid, of all that is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flow_core.errors import CapacityError, ConfigError
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.providers.mithril.catalog import Offer
from flow_core.providers.mithril.money import written

_NAMED = 12


@dataclass(frozen=True, slots=True)
class OfferQuery:
    """What an instance has to be: of one of these types, the first that is offered; without types, anything with that
    much memory a GPU (GB) for at most that many USD an hour. `cpus` and `memory_gb` are of the whole instance."""

    types: Sequence[str] = ()
    region: str | None = None
    gpu_memory_gb: int | None = None
    cpus: int | None = None
    memory_gb: int | None = None
    most_usd: Decimal | None = None

    @property
    def where(self) -> str:
        return "" if self.region is None else f" in {self.region}"


def choose_offer(offers: Sequence[Offer], query: OfferQuery) -> Offer:
    """Of what fits, the offer with room that costs least. `offers` come cheapest first.

    Raises ConfigError, CapacityError.
    """
    there = [one for one in offers if query.region in (None, one.region)]
    if not there:
        raise ConfigError(
            f"region: {query.region!r} offers nothing; regions are: {_listed(one.region for one in offers)}",
            field="region",
        )
    if not query.types and query.gpu_memory_gb is None:
        raise _no_type(there, query)
    if not query.types:
        return _with_memory(there, query)
    for text in query.types:
        if named := [one for one in there if one.type.is_asked_for(text)]:
            return _best(_big_enough(named, query))
    raise ConfigError(f"instance_type: {_not_offered(offers, there, query)}", field="instance_type")


def sizes_of(offers: Iterable[Offer], wanted: GpuRequest) -> dict[int, str]:
    """In which sizes a GPU model is offered: the shorthand of each, by its number of GPUs, smallest first."""
    found = {one.type.gpu_count: one.type.short_name for one in offers if one.type.is_of_model(wanted)}
    return dict(sorted(found.items()))


def _no_type(offers: Sequence[Offer], query: OfferQuery) -> ConfigError:
    """A task without a type never gets one by itself here: each costs money, and how much differs a hundredfold."""
    best = _best(_big_enough([one for one in offers if one.type.gpu_count] or offers, query))
    cost = f"{written(best.price_usd)} an hour now in {best.region}"
    return ConfigError(
        f'instance_type: is missing; the cheapest that fits is instance_type="{best.type.short_name}", for {cost}',
        field="instance_type",
    )


def _not_offered(everywhere: Sequence[Offer], there: Sequence[Offer], query: OfferQuery) -> str:
    """Why the first type can't be had, and what comes nearest."""
    text = query.types[0]
    if elsewhere := [one.region for one in everywhere if one.type.is_asked_for(text)]:
        return f"{text!r} is not offered{query.where}, but in {_listed(iter(elsewhere))}; choose another type or region"
    wanted = parse_gpu(text)
    if sizes := list(sizes_of(there, wanted).values()) or list(sizes_of(everywhere, wanted).values()):
        return f"{wanted.model} is offered only as {', '.join(sizes)}; did you mean {sizes[0]}?"
    return f"{text!r} is not offered{query.where}; there are: {_names(there)}"


def _with_memory(offers: Sequence[Offer], query: OfferQuery) -> Offer:
    least = query.gpu_memory_gb or 0
    fitting = [one for one in offers if one.type.gpu_count and one.type.gpu_memory_gb >= least]
    if not fitting:
        raise CapacityError(f"no GPU with {least} GB is offered{query.where}; there are: {_names(offers)}")
    fitting = _big_enough(fitting, query)
    affordable = [one for one in fitting if query.most_usd is None or one.price_usd <= query.most_usd]
    if not affordable and query.most_usd is not None:
        raise CapacityError(
            f"nothing with {least} GB a GPU costs {written(query.most_usd)} an hour or less now; "
            f"the cheapest is {fitting[0].type.name} at {written(fitting[0].price_usd)}"
        )
    return _best(affordable)


def _big_enough(offers: Sequence[Offer], query: OfferQuery) -> list[Offer]:
    found = list(offers)
    sizes: tuple[tuple[str, str, int, Callable[[Offer], int]], ...] = (
        ("min_cpus", "CPUs", query.cpus or 0, lambda one: one.type.cpu_count),
        ("min_memory_gb", "GB of memory", query.memory_gb or 0, lambda one: one.type.memory_gb),
    )
    for field, noun, least, size_of in sizes:
        most = max(map(size_of, found))
        if most < least:
            raise ConfigError(
                f"{field}: no instance of what was asked for has {least} {noun}; the most is {most}", field=field
            )
        found = [one for one in found if size_of(one) >= least]
    return found


def _best(fitting: Sequence[Offer]) -> Offer:
    return next((one for one in fitting if one.capacity > 0), fitting[0])


def _names(offers: Iterable[Offer]) -> str:
    return _listed(one.type.name for one in offers)


def _listed(names: Iterator[str]) -> str:
    found = sorted(dict.fromkeys(names))
    return ", ".join(found[:_NAMED]) + (", …" if len(found) > _NAMED else "") if found else "none"
