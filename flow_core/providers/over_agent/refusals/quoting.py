"""What a machine says, within a sentence. The machine may be anybody's. Everything raises KeyError, TypeError."""

from __future__ import annotations

from flow_core.providers.over_agent.refusals import Details

_LONGEST = 2000
_MOST = 100


def text(details: Details, name: str) -> str:
    """As it is, to be quoted with `repr`."""
    value = details[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text")
    return value[:_LONGEST]


def plain(details: Details, name: str) -> str:
    """To stand in the sentence as it is: what can't be printed is escaped."""
    return _escaped(text(details, name))


def plain_list(details: Details, name: str) -> list[str]:
    values = details[name]
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name} must be a list")
    return [plain({name: value}, name) for value in values[:_MOST]]


def whole(details: Details, name: str) -> int:
    value = details[name]
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number")
    return value


def _escaped(value: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in value)
