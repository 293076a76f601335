"""Checks of the arguments of public calls. Each raises a ConfigError that names the wrong argument."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from flow_core.errors import ConfigError

_SHOWN_CHARACTERS_MAX = 40
_LABEL_CHARACTERS_MAX = 128
_PATH_BYTES_MAX = 4095
WHOLE_MAX = 1_000_000


def format_value(value: object) -> str:
    """Returns a value as text that is safe to print and short enough to read."""
    if isinstance(value, str | bytes):
        value = value[: 2 * _SHOWN_CHARACTERS_MAX]  # it may be of megabytes
    try:
        text = repr(value)
    except ValueError:  # Python refuses to format numbers of thousands of digits
        return "a number of thousands of digits"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX + 2 else text[:_SHOWN_CHARACTERS_MAX] + "…'"


def check_text(name: str, value: Any) -> str:
    """Returns text that isn't blank."""
    if not isinstance(value, str):
        raise ConfigError(f"{name}: must be text, not {type(value).__name__}", field=name)
    if not value.strip():
        raise ConfigError(f"{name}: is empty", field=name)
    return value


def check_optional_text(name: str, value: Any) -> str | None:
    """Returns None, or text that isn't blank."""
    return None if value is None else check_text(name, value)


def check_optional_label(name: str, value: Any) -> str | None:
    """Returns None, or text that is printable and short enough for a list."""
    if value is None:
        return None
    if len(check_text(name, value)) > _LABEL_CHARACTERS_MAX or not value.isprintable():
        raise ConfigError(f"{name}: must be at most {_LABEL_CHARACTERS_MAX} printable characters", field=name)
    return str(value)


def check_command(name: str, value: Any) -> str:
    """Returns a shell line."""
    if "\0" in check_text(name, value):
        raise ConfigError(f"{name}: must not hold a NUL character", field=name)
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ConfigError(f"{name}: holds half a character (a lone surrogate)", field=name) from None
    return str(value)


def check_optional_command(name: str, value: Any) -> str | None:
    """Returns None, or a shell line."""
    return None if value is None else check_command(name, value)


def check_bytes(name: str, value: Any) -> bytes:
    """Returns bytes."""
    if not isinstance(value, bytes):
        raise ConfigError(f"{name}: must be bytes, not {type(value).__name__}", field=name)
    return value


def check_path(name: str, value: Any) -> str:
    """Returns a path that a file system could have."""
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str):
        raise ConfigError(f"{name}: must be a path, not {type(value).__name__}", field=name)
    if not found.strip() or "\0" in found:
        raise ConfigError(f"{name}: {format_value(found)} is no path", field=name)
    try:
        is_too_long = len(os.fsencode(found)) > _PATH_BYTES_MAX
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name}: {format_value(found)} holds half a character (a lone surrogate)", field=name
        ) from None
    if is_too_long:
        raise ConfigError(
            f"{name}: {format_value(found)} is longer than {_PATH_BYTES_MAX} bytes, which no path is", field=name
        )
    return found


def check_integer(name: str, value: Any, minimum: int = 0, maximum: int = WHOLE_MAX) -> int:
    """Returns a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise ConfigError(
            f"{name}: must be a whole number from {minimum} to {maximum}, not {format_value(value)}", field=name
        )
    return value


def check_optional_integer(name: str, value: Any, minimum: int = 0, maximum: int = WHOLE_MAX) -> int | None:
    """Returns None, or a whole number within bounds."""
    return None if value is None else check_integer(name, value, minimum, maximum)


def check_seconds(name: str, value: Any) -> float | None:
    """Returns None, or a number of seconds that isn't negative."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigError(f"{name}: must be a number of seconds, not {format_value(value)}", field=name)
    return float(value)


def check_optional_flag(name: str, value: Any) -> bool | None:
    """Returns None, True or False."""
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"{name}: must be true, false or not given, not {format_value(value)}", field=name)
    return value


def check_one_of(name: str, value: Any, known: Collection[str]) -> str:
    """Returns one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name}: {format_value(value)} is none of {', '.join(known)}", field=name)
    return value


def check_table(name: str, value: Any) -> dict[str, Any]:
    """Returns a table whose keys are printable text."""
    if not isinstance(value, dict) or not all(isinstance(key, str) and key.isprintable() for key in value):
        raise ConfigError(f"{name}: must be a table of names and values, not {format_value(value)}", field=name)
    return value
