"""Quotes details of a refusal in a sentence; they may come from an untrusted machine.

Every function raises KeyError, TypeError.
"""

from __future__ import annotations

from flow_core.providers.over_agent.refusals import Details

_LENGTH_MAX = 2000
_ENTRIES_MAX = 100


def get_text(details: Details, name: str) -> str:
    """Returns the text, cut to 2000 characters, to be quoted with `repr`."""
    value = details[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text")
    return value[:_LENGTH_MAX]


def escape(details: Details, name: str) -> str:
    """Returns the text for use in a sentence; escapes characters that can't be printed."""
    return _escape_characters(get_text(details, name))


def escape_all(details: Details, name: str) -> list[str]:
    values = details[name]
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name} must be a list")
    return [escape({name: value}, name) for value in values[:_ENTRIES_MAX]]


def get_integer(details: Details, name: str) -> int:
    value = details[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number")
    return value


def _escape_characters(value: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in value)
