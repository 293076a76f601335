"""The instances pane: the instance types of every context, how many GPUs are free, and the prices, if there are any."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from flow_core.logs.escape import escape_controls
from flow_core.models.instance import AvailableInstance
from flow_tui import format
from flow_tui.actions import LazyModule, make_bindings
from flow_tui.panes.freshness import describe_unread
from flow_tui.panes.instances.actions import ACTIONS
from flow_tui.panes.instances.market import CELLS, MarketSummary
from flow_tui.panes.instances.market_watch import MarketWatch
from flow_tui.panes.table_pane import TablePane
from flow_tui.services import Services
from flow_tui.widgets.columns import CellContent, Column, StyledText

if TYPE_CHECKING:
    from flow_core.filters import instance_fields
    from flow_core.filters.row_filter import FilterField
else:
    instance_fields = LazyModule("flow_core.filters.instance_fields")


def _grey_when_down(column: Column[AvailableInstance]) -> Column[AvailableInstance]:
    """Returns a column whose cells are grey for an instance whose machine doesn't answer."""

    def render(instance: AvailableInstance) -> CellContent:
        content = column.render(instance)
        if not instance.is_down:
            return content
        parts = [content] if isinstance(content, str | StyledText) else content
        return StyledText("".join(part if isinstance(part, str) else part.text for part in parts), "muted")

    return replace(column, render=render)


Columns = tuple[Column[AvailableInstance], ...]
_NO_MARKET = MarketSummary()


def _free_cell(instance: AvailableInstance) -> StyledText:
    if instance.is_down:
        return StyledText("drained" if instance.status == "drained" else "down")
    return StyledText(format.free_of(instance), "muted" if instance.available_quantity == 0 else "")


def _format_memory(instance: AvailableInstance) -> str:
    return f"{instance.gpu_memory_gb}G" if instance.gpu_memory_gb else "-"


def _format_gpus(instance: AvailableInstance) -> str:
    return (
        f"{instance.gpu_count}x{(instance.gpu_type or 'gpu').upper()}" if instance.gpu_count else instance.instance_type
    )


def _price_per_gpu(instance: AvailableInstance) -> float:
    """Returns the sort key: the price per GPU; infinite without GPUs, to sort these rows last."""
    return instance.price_per_hour / instance.gpu_count if instance.gpu_count else float("inf")


class InstancesPane(TablePane[AvailableInstance]):
    """The instance types of all contexts. Omits the columns about prices while no instance has a price."""

    NOUN = "instances"
    TITLE = "GPUs"
    COUNTED = ("row", "rows")
    OPENS = "instances.submit_here"
    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(ACTIONS)]
    SORTS = {
        "type": lambda instance: instance.instance_type,
        "gpu": lambda instance: (instance.gpu_type or "~", instance.gpu_count),
        "context": lambda instance: instance.context,
        "region": lambda instance: instance.region,
        "free": lambda instance: -(instance.free_gpus or 0),
        "vram": lambda instance: -(instance.gpu_memory_gb or 0),
        "price": lambda instance: instance.price_per_hour,
        "gpu_price": _price_per_gpu,
    }

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        self._markets: Mapping[str, MarketSummary] = {}
        self._has_prices = False
        super().__init__(services, id=id)
        self.market_watch = MarketWatch(services.fleet, self, self.show_markets)

    def show_fleet(self) -> None:
        if self.services.fleet.has_read("instances"):
            self.show(self.services.fleet.instances, problem=describe_unread(self.services, "instances"))

    def tick(self) -> None:
        super().tick()
        self.market_watch.ask_when_due()

    def show(
        self, rows: Sequence[AvailableInstance], *, stale: bool = False, problem: str = "", total: int = 0
    ) -> None:
        has_prices = any(instance.price_per_hour for instance in rows)
        if has_prices != self._has_prices:
            self._has_prices = has_prices
            self.table.set_columns(self.make_columns())
        super().show(rows, stale=stale, problem=problem, total=total)

    def show_markets(self, markets: Mapping[str, MarketSummary], problem: str) -> None:
        """Shows the markets by context. `problem` is why some of them did not answer; "" if all did."""
        if markets != self._markets:
            self._markets = dict(markets)
            self.table.redraw_rows()
        self._footnote = problem
        self._show_cut()

    def make_columns(self) -> Columns:
        return tuple(
            map(_grey_when_down, self._columns_with_prices() if self._has_prices else self._columns_without_prices())
        )

    def _columns_without_prices(self) -> Columns:
        return (
            Column("type", "TYPE", lambda instance: instance.instance_type, min_width=8, max_width=22, priority=9),
            *self.make_context_column(lambda instance: instance.context, priority=5),
            Column("free", "FREE GPUS", _free_cell, width=9, priority=8),
            Column("vram", "VRAM", _format_memory, width=5, align="right", priority=4),
            *_machine_columns(3),
            Column("region", "REGION", lambda instance: instance.region, min_width=8, max_width=18, priority=6),
            _host_column(1),
        )

    def _columns_with_prices(self) -> Columns:
        return (
            Column("gpu", "GPU", _format_gpus, min_width=7, max_width=12, priority=10),
            Column("type", "TYPE", lambda instance: instance.instance_type, min_width=14, max_width=22, priority=4),
            *self.make_context_column(lambda instance: instance.context, priority=4),
            Column("region", "REGION", lambda instance: instance.region, min_width=13, max_width=18, priority=7),
            Column("free", "FREE GPUS", _free_cell, width=9, priority=8),
            Column("vram", "VRAM", _format_memory, width=5, align="right", priority=3),
            Column(
                "price", "$/H", lambda i: format.price(i.price_per_hour or None), width=7, align="right", priority=6
            ),
            Column("gpu_price", "$/GPU-H", format.gpu_price, width=8, align="right", priority=9),
            Column("day", "24H PRICE", self._spark_cell, width=CELLS, priority=5),
            Column("quota", "QUOTA", self._quota_cell, width=5, align="right", priority=5),
            *_machine_columns(1),
            _host_column(0),
        )

    def describe_selected(self) -> str:
        """Returns the description of the selected row if there is no room for its column."""
        if self.selected is None or "about" in self.table.shown_columns:
            return ""
        return escape_controls(self.selected.description)

    def empty_text(self) -> str:
        return "No context offers an instance."

    def key_of(self, row: AvailableInstance) -> Hashable:
        return row.key

    def get_filter_fields(self) -> Sequence[FilterField[AvailableInstance]]:
        return instance_fields.INSTANCE_FIELDS

    def _spark_cell(self, instance: AvailableInstance) -> StyledText:
        return StyledText(self._get_market(instance).draw_price_sparkline(instance), "accent")

    def _quota_cell(self, instance: AvailableInstance) -> StyledText:
        left = self._get_market(instance).count_left(instance)
        return StyledText("-" if left is None else str(left), "muted" if left is None else "" if left else "warning")

    def _get_market(self, instance: AvailableInstance) -> MarketSummary:
        return self._markets.get(instance.context, _NO_MARKET)


def _machine_columns(priority: int) -> Columns:
    """Returns the columns of the host's processors and memory."""
    cpus = Column[AvailableInstance](
        "cpus", "CPUS", lambda i: str(i.cpu_count or "-"), width=5, align="right", priority=priority
    )
    ram = Column[AvailableInstance](
        "ram", "RAM", lambda i: f"{i.memory_gb}G" if i.memory_gb else "-", width=6, align="right", priority=priority
    )
    return (cpus, ram)


def _host_column(priority: int) -> Column[AvailableInstance]:
    return Column(
        "about", "HOST", lambda i: StyledText(i.description, "muted"), min_width=12, max_width=40, priority=priority
    )
