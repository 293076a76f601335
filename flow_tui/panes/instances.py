"""The instances pane: what every context offers, and how much of it is free."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from flow_core.models.instance import AvailableInstance
from flow_tui import format
from flow_tui.keymap import bindings_of
from flow_tui.panes.table_pane import TablePane
from flow_tui.widgets.columns import Cell, Cells, Column


def _grey_when_down(column: Column[AvailableInstance]) -> Column[AvailableInstance]:
    """All of a row is grey while its machine doesn't answer."""

    def render(instance: AvailableInstance) -> Cells:
        cells = column.render(instance)
        if not instance.is_down:
            return cells
        parts = [cells] if isinstance(cells, str | Cell) else cells
        return Cell("".join(part if isinstance(part, str) else part.text for part in parts), "muted")

    return replace(column, render=render)


def _free(instance: AvailableInstance) -> Cell:
    if instance.is_down:
        return Cell("down")
    return Cell(format.free_of(instance), "muted" if instance.available_quantity == 0 else "")


def _memory(instance: AvailableInstance) -> str:
    return f"{instance.gpu_memory_gb}G" if instance.gpu_memory_gb else "-"


class InstancesPane(TablePane[AvailableInstance]):
    """Instance types of all contexts."""

    TITLE = "GPUs"
    EMPTY = "no context offers an instance"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("instances")]
    SORTS = {
        "type": lambda instance: instance.instance_type,
        "context": lambda instance: instance.context,
        "free": lambda instance: -(instance.available_quantity or 0),
        "price": lambda instance: instance.price_per_hour,
    }

    def columns(self) -> Sequence[Column[AvailableInstance]]:
        columns: tuple[Column[AvailableInstance], ...] = (
            Column("type", "TYPE", lambda instance: instance.instance_type, min_width=8, max_width=22, priority=9),
            Column("context", "CONTEXT", lambda instance: instance.context, min_width=8, max_width=12, priority=5),
            Column("free", "FREE", _free, width=9, priority=8),
            Column("vram", "VRAM", _memory, width=5, align="right", priority=4),
            Column("cpus", "CPUS", lambda i: str(i.cpu_count or "-"), width=5, align="right", priority=3),
            Column(
                "ram", "RAM", lambda i: f"{i.memory_gb}G" if i.memory_gb else "-", width=6, align="right", priority=3
            ),
            Column("price", "$/H", lambda i: format.price(i.price_per_hour), width=6, align="right", priority=6),
            Column("region", "REGION", lambda instance: instance.region, min_width=8, max_width=18, priority=2),
            Column("about", "ABOUT", lambda i: Cell(i.description, "muted"), min_width=12, flex=4, priority=1),
        )
        return tuple(map(_grey_when_down, columns))

    def key_of(self, row: AvailableInstance) -> Hashable:
        return row.key

    def fields_of(self, row: AvailableInstance) -> dict[str, str]:
        return {
            "type": row.instance_type.lower(),
            "gpu": (row.gpu_type or "").lower(),
            "context": row.context.lower(),
            "region": row.region.lower(),
            "about": row.description.lower(),
        }
