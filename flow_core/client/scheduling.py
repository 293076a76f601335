"""Checks the arguments of changes to queued tasks."""

from __future__ import annotations

from typing import Any

from flow_core.argument_checks import check_text, format_value
from flow_core.errors import ConfigError

_HOURS_MAX = 24 * 366


def parse_hours(value: Any) -> float:
    """Returns a time limit in hours. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _HOURS_MAX:
        message = f"hours: must be a number of hours above 0, at most {_HOURS_MAX}, not {format_value(value)}"
        raise ConfigError(message, field="hours")
    return float(value)


def parse_signal(value: Any) -> str:
    """Returns a name of `SIGNALS`; "usr1" and "USR1" mean SIGUSR1. Raises ConfigError."""
    from flow_core.models.scheduling import SIGNALS  # lazy import: a list of tasks needs none of its classes

    name = f"SIG{check_text('signal_name', value).strip().upper().removeprefix('SIG')}"
    if name not in SIGNALS:
        message = f"signal_name: {format_value(value)} is none of {', '.join(SIGNALS)}"
        raise ConfigError(message, field="signal_name")
    return name
