"""The names of the fields in filters: those of the columns, and the older ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.bare_services import bare_services

from flow_core.filters.row_filter import FilterField, RowFilter
from flow_core.models.instance import AvailableInstance
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.volume import Volume
from flow_tui.panes.instances.pane import InstancesPane
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.panes.volumes.pane import VolumesPane


def passes(text: str, fields: Sequence[FilterField[Any]], row: object) -> bool:
    return bool(RowFilter(text, fields).select([row]))


def test_a_task_is_found_by_the_names_of_the_columns_state_and_reason() -> None:
    task = TaskRecord("local", "task_1", "train", TaskStatus.PENDING, command="true", message="Waiting for 2 x a100")
    fields = TasksPane(bare_services()).get_filter_fields()
    for text in ("state:pend", "status:pend", "reason:waiting", "note:waiting", "!state:run", "!reason:killed"):
        assert passes(text, fields, task), text
    for text in ("state:run", "reason:killed"):
        assert not passes(text, fields, task), text


def test_an_instance_is_found_by_the_name_of_the_column_host() -> None:
    instance = AvailableInstance("lab", "gpu1", "2xa100", "gpu1", 0.0, description="EPYC 7763")
    fields = InstancesPane(bare_services()).get_filter_fields()
    assert passes("host:epyc about:epyc", fields, instance)
    assert not passes("host:xeon", fields, instance)


def test_a_volume_is_found_by_the_first_word_of_the_column_attached_to() -> None:
    volume = Volume(context="lab", volume_id="vol_1", name="data", size_gb=10, attached_to=("task_1",))
    fields = VolumesPane(bare_services()).get_filter_fields()
    assert passes("attached:task_1 users:task_1", fields, volume)
    assert not passes("attached:task_2", fields, volume)
