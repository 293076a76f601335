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
    empty tuple means that there are no rows.
    """

    unreadable: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[T], unreadable: Iterable[str] = ()) -> Self:
        """Creates a listing. `unreadable` may quote the response: it is made printable and cut here."""
        listing = cls(rows)
        notes = (printable(note[:_NOTE_CHARACTERS]) for note in unreadable)
        listing.unreadable = tuple(islice(notes, _NOTES_MAX))
        return listing


def find_unreadable(rows: Iterable[object]) -> tuple[str, ...]:
    """Returns the notes about what a provider could not read; empty for a plain tuple."""
    return rows.unreadable if isinstance(rows, Listing) else ()
