"""The fields of volumes in filters. The first name of a field is that of its column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flow_core.filters.amounts import parse_duration_s, parse_number
from flow_core.filters.row_filter import AmountField, FilterField, TextField
from flow_core.models.volume import Volume

Describe = Callable[[Volume], str]


def make_volume_fields(describe_users: Describe, get_path: Describe) -> tuple[FilterField[Volume], ...]:
    """Returns the fields. `describe_users` names the tasks that use a volume."""
    return (
        TextField(("name",), lambda volume: volume.name),
        TextField(("id",), lambda volume: volume.volume_id),
        TextField(("type",), lambda volume: volume.interface),
        TextField(("context",), lambda volume: volume.context),
        TextField(("path",), get_path),
        TextField(("attached", "users"), describe_users),
        AmountField(("size",), lambda volume: volume.size_gb, parse_number),
        AmountField(("age",), _get_age_s, parse_duration_s),
    )


def _get_age_s(volume: Volume) -> float | None:
    return None if volume.created_at is None else (datetime.now(UTC) - volume.created_at).total_seconds()
