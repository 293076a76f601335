"""The form for a new price limit of a bid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from textual import on
from textual.widget import Widget
from textual.widgets import Input, Static

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.bid_prices import describe_limit, get_bid_prices, parse_usd
from flow_tui.dialogs.dialog import Fact, measure_labels, to_safe_content
from flow_tui.dialogs.field import Field, LineInput
from flow_tui.dialogs.form import Form


class PriceLimitForm(Form[Decimal]):
    """A form for the highest price of an instance of a task per hour. It returns the limit and changes nothing."""

    SEND: ClassVar[str] = "Change…"
    SENDING: ClassVar[str] = "…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {"limit_usd_per_hour": "limit"}

    def __init__(self, task: TaskRecord) -> None:
        super().__init__(f"Price limit of {task.name}")
        self._record = task
        self._bid = get_bid_prices(task)
        self._sums = Static(classes="form-sums")

    def make_fields(self) -> Iterable[Field]:
        limit = "" if self._bid.limit is None else str(self._bid.limit)
        yield Field("limit", "price limit", LineInput(limit, placeholder="USD per hour for one instance"))

    def compose_body(self) -> Iterable[Widget]:
        prices = {"current limit": self._bid.limit, "market price": self._bid.market}
        for label, usd in prices.items():
            if usd is not None:
                yield Fact(label, format.sums(usd, self._record.num_instances), width=measure_labels(prices))
        yield from super().compose_body()

    def compose_footer(self) -> Iterable[Widget]:
        yield self._sums
        yield from super().compose_footer()

    async def send(self, entered: Mapping[str, str]) -> Decimal:
        return parse_usd(entered["limit"])

    @on(Input.Changed)
    def _show_bid_cost(self) -> None:
        try:
            limit = parse_usd(self.entered.get("limit", ""))
            self._sums.update(to_safe_content(describe_limit(limit, self._record.num_instances, self._bid.market)))
        except ConfigError:
            self._sums.update("")
        self._sums.display = True
