"""The pane of what can be had."""

from __future__ import annotations

from flow_core.models.instance import AvailableInstance
from flow_tui.panes.instances import InstancesPane
from flow_tui.widgets.columns import Cell


def test_all_of_a_row_is_grey_while_its_machine_does_not_answer() -> None:
    columns = InstancesPane(id="instances").columns()
    up = AvailableInstance("lab", "gpu1", "2xa100", "gpu1", 0.0, gpu_count=2, available_quantity=1, total_quantity=2)
    down = AvailableInstance(
        "lab", "gpu2", "2xa100", "gpu2", 0.0, gpu_count=2, available_quantity=0, total_quantity=2, status="unreachable"
    )
    cells = [column.render(down) for column in columns]
    assert all(isinstance(cell, Cell) and cell.style == "muted" for cell in cells)
    assert "down" in [cell.text for cell in cells if isinstance(cell, Cell)]
    assert "1 of 2" in [cell.text for column in columns if isinstance(cell := column.render(up), Cell)]
