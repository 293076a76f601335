"""Rows of a provider's response, with a note for each part that the provider could not read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Self, TypeVar

from flow_core.errors import printable

T = TypeVar("T")
_NOTES_MAX = 100
_NOTE_CHARACTERS = 300


class Listing(tuple[T, ...]):
    """The rows that a provider could read, and one sentence for each part of the response that it could not read.

    A list method may return a plain tuple if it could read everything. If it could read nothing at all, it raises; an
    empty tuple means that there are no rows. `total` is the number of rows without the caller's limit; None if the
    provider doesn't know it.
    """

    unreadable: tuple[str, ...] = ()
    total: int | None = None

    @classmethod
    def of(cls, rows: Iterable[T], unreadable: Iterable[str] = (), total: int | None = None) -> Self:
        """Creates a listing. `unreadable` may quote the response: it is made printable and cut here."""
        listing = cls(rows)
        notes = (printable(note[:_NOTE_CHARACTERS]) for note in unreadable)
        listing.unreadable = tuple(islice(notes, _NOTES_MAX))
        listing.total = total
        return listing


def find_total(rows: Iterable[object]) -> int | None:
    """Returns how many rows there are without the limit of the list; None if the provider doesn't tell."""
    return rows.total if isinstance(rows, Listing) else None


def find_unreadable(rows: Iterable[object]) -> tuple[str, ...]:
    """Returns the notes about what a provider could not read; empty for a plain tuple."""
    return rows.unreadable if isinstance(rows, Listing) else ()
