"""The filter language of the tables. A row must match every word.

train            some field contains the text
status:run,pend  the field starts with one of these; also context: and name:
!smoke           not
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Fields = Mapping[str, str]
"""The fields of a row that the filter can test, by name, in lower case."""


def parse_filter(text: str) -> Callable[[Fields], bool]:
    """Returns a predicate for rows. Every text is a valid filter; an empty one matches all rows."""
    terms = [_parse_term(word) for word in text.lower().split()]
    return lambda fields: all(term(fields) for term in terms)


def _parse_term(word: str) -> Callable[[Fields], bool]:
    if word.startswith("!"):
        if len(word) == 1:
            return lambda fields: True
        inner = _parse_term(word[1:])
        return lambda fields: not inner(fields)
    name, colon, values = word.partition(":")
    if colon:
        return _make_field_test(name, values, word)
    return lambda fields: any(word in value for value in fields.values())


def _make_field_test(name: str, values: str, word: str) -> Callable[[Fields], bool]:
    starts = tuple(part for part in values.split(",") if part)

    def matches(fields: Fields) -> bool:
        if name not in fields:
            return any(word in value for value in fields.values())
        return not starts or fields[name].startswith(starts)

    return matches
