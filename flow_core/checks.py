"""Arguments of the public calls, checked before anything is done; a ConfigError names the one that is wrong."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flow_core.errors import ConfigError

_SHOWN = 40
MOST = 1_000_000


def shown(value: object) -> str:
    """A value of somebody else's, safe to print and short enough to read."""
    text = repr(value)
    return text if len(text) <= _SHOWN + 2 else text[:_SHOWN] + "…'"


def text(name: str, value: Any) -> str:
    """Text that says something."""
    if not isinstance(value, str):
        raise ConfigError(f"{name}: must be text, not {type(value).__name__}", field=name)
    if not value.strip():
        raise ConfigError(f"{name}: is empty", field=name)
    return value


def optional_text(name: str, value: Any) -> str | None:
    """None, or text that says something."""
    return None if value is None else text(name, value)


def whole(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}: must be a whole number from {least} to {most}, not {shown(value)}", field=name)
    return value


def optional_whole(name: str, value: Any, least: int = 0, most: int = MOST) -> int | None:
    """None, or a whole number within bounds."""
    return None if value is None else whole(name, value, least, most)


def seconds(name: str, value: Any) -> float | None:
    """None, or a number of seconds that isn't negative."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{name}: must be a number of seconds, not {shown(value)}", field=name)
    return float(value)


def optional_flag(name: str, value: Any) -> bool | None:
    """None, True or False."""
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"{name}: must be true, false or not given, not {shown(value)}", field=name)
    return value


def one_of(name: str, value: Any, known: Collection[str]) -> str:
    """One of the known words."""
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name}: {shown(value)} is none of {', '.join(known)}", field=name)
    return value


def table(name: str, value: Any) -> dict[str, Any]:
    """A table whose names are text."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{name}: must be a table of names and values, not {shown(value)}", field=name)
    return value
