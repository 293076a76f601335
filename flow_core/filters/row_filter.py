"""Filters rows by words, all of which must hold.

train            some field contains the text
status:run,pend  the field begins with one of these
name~^v[0-9]     the field matches a regular expression
age:<1d          the amount is less; also <= > >= and =
!smoke           the word does not hold
"status:x y"     quotes make it plain text
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flow_core.errors import ConfigError
from flow_core.filters.amounts import parse_comparison
from flow_core.filters.filter_words import FilterWord, split_words
from flow_core.filters.safe_pattern import LONGEST_TEXT, compile_safe_pattern

RowT = TypeVar("RowT")
_PATTERN_S = 0.2


@dataclass(frozen=True, slots=True)
class TextField(Generic[RowT]):
    """A field with text, of which each line is a value. `names` are its name, and others by which it was called."""

    names: tuple[str, ...]
    read: Callable[[RowT], str]


@dataclass(frozen=True, slots=True)
class AmountField(Generic[RowT]):
    """A field with an amount, None if it is unknown. `parse` reads an amount and raises ConfigError."""

    names: tuple[str, ...]
    read: Callable[[RowT], float | None]
    parse: Callable[[str], float]


FilterField = TextField[RowT] | AmountField[RowT]
_Test = Callable[[RowT], bool]


class RowFilter(Generic[RowT]):
    """A filter for rows with these fields. Every text is a filter, and an empty one keeps all rows.

    `problem` says what is wrong with a word, which is left out; "" if nothing is.
    """

    def __init__(self, text: str, fields: Sequence[FilterField[RowT]]) -> None:
        self.problem = ""
        self._fields = fields
        self._deadline_s = 0.0
        self._tests = [test for word in split_words(text) if (test := self._parse(word)) is not None]

    def select(self, rows: Iterable[RowT]) -> list[RowT]:
        """Returns the rows that pass. Regular expressions get 0.2 s; after that, `problem` says so, and they hold."""
        self._deadline_s = time.monotonic() + _PATTERN_S
        tests = self._tests
        return [row for row in rows if all(test(row) for test in tests)] if tests else list(rows)

    def _parse(self, word: FilterWord) -> _Test[RowT] | None:
        """Returns the test of a word; None if it is invalid or still empty."""
        try:
            test = self._make_test(word)
        except ConfigError as error:
            self.problem = self.problem or f"{word.written}: {error.message}"
            return None
        if test is None or not word.is_negated:
            return test
        return lambda row: not test(row)

    def _make_test(self, word: FilterWord) -> _Test[RowT] | None:
        if not word.value:
            return None
        if not word.operator:
            return self._make_text_test(word.value.lower())
        field = next((field for field in self._fields if word.field in field.names), None)
        if field is None:
            names = ", ".join(field.names[0] for field in self._fields)
            raise ConfigError(f"no field is called {word.field}; there are {names}; quotes search the text")
        if isinstance(field, AmountField):
            return _make_amount_test(field, word)
        return self._make_pattern_test(field, word.value) if word.operator == "~" else _make_prefix_test(field, word)

    def _make_text_test(self, text: str) -> _Test[RowT]:
        readers = [field.read for field in self._fields if isinstance(field, TextField)]
        return lambda row: any(text in read(row).lower() for read in readers)

    def _make_pattern_test(self, field: TextField[RowT], text: str) -> _Test[RowT]:
        search, read = compile_safe_pattern(text).search, field.read

        def matches(row: RowT) -> bool:
            if time.monotonic() > self._deadline_s:
                self.problem = self.problem or f"{field.names[0]}~{text}: takes too long for so many rows"
                return True
            return search(read(row)[:LONGEST_TEXT]) is not None

        return matches


def _make_amount_test(field: AmountField[RowT], word: FilterWord) -> _Test[RowT]:
    if word.operator == "~":
        raise ConfigError("is an amount, which is compared: type for example " + f"{word.field}:>1")
    holds, read = parse_comparison(word.value, field.parse), field.read
    return lambda row: (amount := read(row)) is not None and holds(amount)


def _make_prefix_test(field: TextField[RowT], word: FilterWord) -> _Test[RowT]:
    starts = tuple(part for part in word.value.lower().split(",") if part)
    return lambda row: not starts or any(value.startswith(starts) for value in field.read(row).lower().split("\n"))
