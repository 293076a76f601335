"""Splits a filter into its words. Quotes keep blanks together, and make a word plain text."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = re.compile(r"""(?P<not>!?)(?:(?P<field>[A-Za-z_]+)(?P<operator>[:~]))?(?P<value>(?:"[^"]*(?:"|$)|\S)*)""")


class FilterWord(NamedTuple):
    """One word: `!field:value`, `field~value` or text. `start` and `end` are its place in the filter.

    `operator` is ":", "~", or "" for text. `value` has no quotes; `is_quoted` is whether it had any.
    """

    is_negated: bool
    field: str
    operator: str
    value: str
    is_quoted: bool
    start: int
    end: int

    @property
    def written(self) -> str:
        """The word as it was typed, without the negation and quotes."""
        return f"{self.field}{self.operator}{self.value}"


def split_words(text: str) -> list[FilterWord]:
    """Returns the words of a filter, in order. Every text has words; a quote that is open ends with the text."""
    found: list[FilterWord] = []
    for match in _WORD.finditer(text):
        if match[0]:
            value = match["value"]
            parts = (bool(match["not"]), (match["field"] or "").lower(), match["operator"] or "")
            found.append(FilterWord(*parts, value.replace('"', ""), '"' in value, *match.span()))
    return found
