"""Decides whether the text of a search is a regular expression or is searched exactly as typed."""

from __future__ import annotations

import re

_WORD_IN_BRACKETS = re.compile(r"(?<!\\)\[(?P<inside>[\w :./]*)\](?![+*?{])")


class SearchMode:
    """The mode of the search that is being typed. The user's choice takes precedence over what the text looks like."""

    def __init__(self) -> None:
        self._chosen: bool | None = None

    def reset(self) -> None:
        """Forgets the user's choice, for a new search."""
        self._chosen = None

    def switch(self, text: str) -> None:
        """Chooses the mode that this text does not have now."""
        self._chosen = not self.is_literal(text)

    def is_literal(self, text: str) -> bool:
        return looks_literal(text) if self._chosen is None else self._chosen

    def describe(self, text: str) -> str:
        return "exact text" if self.is_literal(text) else "regular expression"


def looks_literal(text: str) -> bool:
    """Returns whether the text has a word in square brackets, such as "[rank0]:" or "[INFO]".

    As a regular expression it would match one of its letters, which nobody wants. Two letters, such as "[eE]", are a
    set of letters.
    """
    return any(_is_word(found["inside"]) for found in _WORD_IN_BRACKETS.finditer(text))


def _is_word(inside: str) -> bool:
    return len(inside) > 2 and len(set(inside)) > 2
