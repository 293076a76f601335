"""The cost of a task, as the submit form shows it, and the dialog that asks before a bid is placed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flow_core.agent.regular_files import parse_json
from flow_core.errors import ConfigError, FlowError
from flow_tui import format
from flow_tui.bid_prices import describe_limit, parse_usd
from flow_tui.dialogs.confirm import Confirm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flow_core.models.instance import AvailableInstance
    from flow_core.models.task_config import TaskConfig
    from flow_tui.services import Services

_POLL_S = 30.0
_OFFERS = 100


class CostConfirmation:
    """The confirmation of costs in contexts where capacity has a price."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def is_expected(self) -> bool:
        """Whether any context is known to have a market."""
        return any(state.has_market for state in self._services.fleet.states)

    def is_for(self, context: str) -> bool:
        """Returns whether a context has a market. Needs no answer of it. Raises FlowError if it can't be opened."""
        return self._services.fleet.flow(context).provider.market is not None

    def sums(self, entered: Mapping[str, str]) -> str:
        """Describes the highest cost of the task in the form, in one line; "" if the context has no market."""
        if not self._services.fleet.has_market(entered["context"]):
            return ""
        market = _cheapest_price(self._known_offers(entered))
        try:
            limit = parse_usd(entered.get("limit", ""))
        except ConfigError:
            return "" if market is None else f"the market price is {format.hourly(market)}"
        return describe_limit(limit, _count_instances(entered.get("rest", "")), market)

    async def confirm(self, context: str, config: TaskConfig) -> None:
        """Shows the cost and the call, and returns once the user agrees. Raises FlowError if the user refuses."""
        market = _cheapest_price(await self._fetch_offers(context, config))
        if config.max_price_per_hour is None:
            now = "" if market is None else f"; the market price is {format.hourly(market)}"
            message = f"max_price_per_hour: enter the maximum USD per hour for one instance{now}"
            raise ConfigError(message, field="max_price_per_hour")
        what = ", ".join(config.instance_types) or f"any type with {config.min_gpu_memory_gb} GB per GPU"
        question = Confirm(
            f"Submit {config.name}?",
            [f"{context}  {config.num_instances} x {what}  {config.region or 'any region'}"],
            call=self._services.fleet.flow(context).provider.describe_submit(config),
            costs=describe_limit(Decimal(str(config.max_price_per_hour)), config.num_instances, market)
            + ". You pay the market price until you end the task, also after its command has ended.",
            agree="Submit the task",
        )
        if not await self._services.ask(question):
            raise FlowError("Nothing was submitted.")

    async def _fetch_offers(self, context: str, config: TaskConfig) -> list[AvailableInstance]:
        requirements: Any = {"region": config.region} if config.region else {}
        if config.instance_types:
            requirements["instance_type"] = config.instance_types[0]
        else:
            requirements["gpu_memory_gb"] = config.min_gpu_memory_gb or 0
        fleet = self._services.fleet
        try:
            with self._services.prompts.foreground(context):
                async with fleet.deadline(context, _POLL_S):
                    return await fleet.flow(context).find_instances(requirements, limit=_OFFERS)
        except TimeoutError:
            raise FlowError(
                f"{context} did not report the price within {_POLL_S:.0f} s; nothing was submitted"
            ) from None

    def _known_offers(self, entered: Mapping[str, str]) -> Iterable[AvailableInstance]:
        """Yields the fleet's offers that fit the form. Makes no request."""
        for offer in self._services.fleet.instances:
            is_type = entered["gpu"].strip() in (offer.instance_type, offer.description)
            if (
                offer.context == entered["context"]
                and is_type
                and entered.get("region", "").strip() in ("", offer.region)
            ):
                yield offer


def _cheapest_price(offers: Iterable[AvailableInstance]) -> Decimal | None:
    """Returns the price of the cheapest available offer; if none is available, of the cheapest offer."""
    prices = [(not offer.available_quantity, offer.price_per_hour) for offer in offers]
    return Decimal(f"{min(prices)[1]:.2f}") if prices else None


def _count_instances(rest: str) -> int:
    """Returns the number of instances in the form; 1 if it is invalid."""
    try:
        count = parse_json(rest or "{}").get("num_instances", 1)
    except (ValueError, AttributeError):
        return 1
    return count if isinstance(count, int) else 1
