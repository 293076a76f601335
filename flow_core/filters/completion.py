"""Completes the word of a filter that is being typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from flow_core.filters.filter_words import FilterWord, split_words
from flow_core.filters.row_filter import FilterField, RowT, TextField

_MOST_ROWS = 2000
_MOST_VALUES = 20
_COMPARISONS = ("<", ">")


def complete_filter(text: str, fields: Sequence[FilterField[RowT]], rows: Iterable[RowT]) -> list[str]:
    """Returns whole filters that continue the last word: with names of fields, or with values of the first 2,000 rows.

    The values come by how many rows have them. Returns nothing after a blank and inside quotes.
    """
    words = split_words(text)
    if not words or words[-1].end < len(text) or words[-1].is_quoted:
        return []
    word = words[-1]
    head = text[: word.start] + ("!" if word.is_negated else "")
    return [head + end for end in _list_ends(word, fields, rows) if head + end != text]


def _list_ends(word: FilterWord, fields: Sequence[FilterField[RowT]], rows: Iterable[RowT]) -> list[str]:
    if not word.operator:
        typed = word.value.lower()
        return [f"{field.names[0]}:" for field in fields if field.names[0].startswith(typed)] if typed else []
    field = next((field for field in fields if word.field in field.names), None)
    if field is None or word.operator == "~":
        return []
    if not isinstance(field, TextField):
        return [] if word.value else [f"{word.field}:{sign}" for sign in _COMPARISONS]
    others, _, typed = word.value.lower().rpartition(",")
    read = (field.read(row).lower().split("\n") for row in islice(rows, _MOST_ROWS))
    known = Counter(value for values in read for value in values if value)
    found = [value for value, _ in known.most_common() if value.startswith(typed) and " " not in value]
    return [f"{word.field}:{others}{',' if others else ''}{value}" for value in found[:_MOST_VALUES]]
