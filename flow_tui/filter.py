"""The filter language of the tables: words that must all hold.

train            some field holds the text
status:run,pend  a field starts with one of these; also context: and name:
!smoke           not
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Fields = Mapping[str, str]
"""What a row offers to the filter, by name, in lower case."""


def parse_filter(text: str) -> Callable[[Fields], bool]:
    """A test for rows. Every text is a valid filter; the empty one lets all pass."""
    terms = [_term(word) for word in text.lower().split()]
    return lambda fields: all(term(fields) for term in terms)


def _term(word: str) -> Callable[[Fields], bool]:
    if word.startswith("!"):
        if len(word) == 1:
            return lambda fields: True
        inner = _term(word[1:])
        return lambda fields: not inner(fields)
    name, colon, wanted = word.partition(":")
    if colon:
        return _field_term(name, wanted, word)
    return lambda fields: any(word in value for value in fields.values())


def _field_term(name: str, wanted: str, word: str) -> Callable[[Fields], bool]:
    starts = tuple(part for part in wanted.split(",") if part)

    def holds(fields: Fields) -> bool:
        if name not in fields:
            return any(word in value for value in fields.values())
        return not starts or fields[name].startswith(starts)

    return holds
