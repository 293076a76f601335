"""What a provider answered, as plain data that JSON takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LEFT_OUT = ("context", "instances", "path", "provider_metadata")


def as_dict(model: DataclassInstance) -> dict[str, Any]:
    """Every field that the Flow SDK has, too. Times are ISO 8601 in UTC."""
    return {one.name: _plain(getattr(model, one.name)) for one in fields(model) if one.name not in _LEFT_OUT}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
