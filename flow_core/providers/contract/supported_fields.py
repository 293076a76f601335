"""How a provider states which fields of a spec it does not support, and the check for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from flow_core.errors import Unsupported

SpecT = TypeVar("SpecT")


class UnsupportedField(NamedTuple, Generic[SpecT]):
    """A field, what of it is not supported, and what to do instead. `is_used` reads the spec; the truth decides."""

    name: str
    is_used: Callable[[SpecT], object]
    reason: str


def check_supported(spec: SpecT, unsupported: Iterable[UnsupportedField[SpecT]]) -> None:
    """Raises Unsupported, with its `field`, for the first of the fields that the spec uses."""
    for field in unsupported:
        if field.is_used(spec):
            raise Unsupported(f"{field.name}: {field.reason}", field=field.name)
