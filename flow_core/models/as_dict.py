"""Converts a model to plain data for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_OMITTED_FIELDS = ("context", "instances", "path", "provider_metadata")


def as_dict(model: DataclassInstance) -> dict[str, Any]:
    """Returns every field that the Flow SDK has too. Times are ISO 8601 in UTC."""
    return {
        field.name: _plain(getattr(model, field.name)) for field in fields(model) if field.name not in _OMITTED_FIELDS
    }


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
