"""Reads the prices and quotas of every market rarely, and only while the instances pane is in view."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from textual.widget import Widget

from flow_core.errors import FlowError
from flow_tui.panes.instances.market import HOURS, MarketSummary, summarize_market
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_core.fleet import Fleet

_EVERY_S = 300.0
_RETRY_S = 60.0
_DEADLINE_S = 30.0
T = TypeVar("T")


class MarketWatch:
    """The last prices and quotas by context. The table of instances never waits for them.

    `show` gets the markets, and a sentence about those that did not answer. The workers belong to `owner`.
    """

    def __init__(self, fleet: Fleet, owner: Widget, show: Callable[[Mapping[str, MarketSummary], str], None]) -> None:
        self._fleet = fleet
        self._owner = owner
        self._show = show
        self._due: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._markets: dict[str, MarketSummary] = {}

    def ask_when_due(self) -> None:
        """Starts to read the markets that are due. Returns immediately; it is called every second."""
        for state in self._fleet.states:
            name = state.context.name
            if state.has_market and not state.error and self._due.get(name, 0.0) <= time.monotonic():
                self._due[name] = time.monotonic() + _EVERY_S
                read = partial(self._read_market, name)
                start_worker(self._owner, read, name="market", group=f"market {name}", exclusive=True)

    async def _read_market(self, name: str) -> None:
        flow = self._fleet.flow(name)
        self._problems.pop(name, None)
        series = await self._request(name, lambda: flow.price_history(HOURS))
        quotas = await self._request(name, flow.quotas)
        if name in self._problems:
            self._due[name] = time.monotonic() + _RETRY_S
        now, before = (
            summarize_market(series or (), quotas or (), datetime.now(UTC)),
            self._markets.get(name, MarketSummary()),
        )
        self._markets[name] = MarketSummary(
            before.sparks if series is None else now.sparks, before.left if quotas is None else now.left
        )
        self._show(self._markets, "; ".join(self._problems.values()))

    async def _request(self, name: str, request: Callable[[], Awaitable[T]]) -> T | None:
        try:
            async with self._fleet.deadline(name, _DEADLINE_S):
                return await request()
        except TimeoutError:
            self._problems[name] = f"{name} did not report its prices and quotas within {_DEADLINE_S:.0f} s"
        except FlowError as error:
            self._problems[name] = f"{name}: {error}"
        return None
