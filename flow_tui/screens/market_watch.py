"""Prices and quotas of every market, asked seldom, and only while somebody looks at instances."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from flow_core.errors import FlowError
from flow_tui.panes.market import HOURS, Market, market_of
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen

_EVERY_S = 300.0
_AFTER_A_FAILURE_S = 60.0
_DEADLINE_S = 30.0
T = TypeVar("T")


class MarketWatch:
    """Keeps the last good answers by context. The table of instances never waits for it."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard
        self._due: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._markets: dict[str, Market] = {}

    def look(self) -> None:
        """Asks the markets whose turn it is. At once and cheap: called every second."""
        for state in self._dashboard.fleet.states:
            name = state.context.name
            if state.has_market and not state.error and self._due.get(name, 0.0) <= time.monotonic():
                self._due[name] = time.monotonic() + _EVERY_S
                asking = partial(self._ask, name)
                start_worker(self._dashboard, asking, name="market", group=f"market {name}", exclusive=True)

    async def _ask(self, name: str) -> None:
        flow = self._dashboard.fleet.flow(name)
        self._problems.pop(name, None)
        series = await self._told(name, lambda: flow.price_history(HOURS))
        quotas = await self._told(name, flow.quotas)
        if name in self._problems:
            self._due[name] = time.monotonic() + _AFTER_A_FAILURE_S
        told, before = market_of(series or (), quotas or (), datetime.now(UTC)), self._markets.get(name, Market())
        self._markets[name] = Market(
            before.sparks if series is None else told.sparks, before.left if quotas is None else told.left
        )
        self._dashboard.instances.know_markets(self._markets, "; ".join(self._problems.values()))

    async def _told(self, name: str, ask: Callable[[], Awaitable[T]]) -> T | None:
        try:
            async with self._dashboard.fleet.deadline(name, _DEADLINE_S):
                return await ask()
        except TimeoutError:
            self._problems[name] = f"{name}: no prices within {_DEADLINE_S:.0f} s"
        except FlowError as error:
            self._problems[name] = f"{name}: {error}"
        return None
