"""The declaration of the fields of a spec that a provider does not support, and the check for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from flow_core.errors import Unsupported

SpecT = TypeVar("SpecT")


class UnsupportedField(NamedTuple, Generic[SpecT]):
    """A field, what of it is not supported, and the alternative. It is used if `is_used(spec)` is true."""

    name: str
    is_used: Callable[[SpecT], object]
    reason: str


def check_supported(spec: SpecT, unsupported: Iterable[UnsupportedField[SpecT]]) -> None:
    """Checks that the spec uses none of the fields. Raises Unsupported, with its `field`, for the first one used."""
    for field in unsupported:
        if field.is_used(spec):
            raise Unsupported(f"{field.name}: {field.reason}", field=field.name)
