"""The setting of a context that limits a login in a script, where no user can be prompted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import ConfigError

LOGIN_TIMEOUT = "login_timeout_s"
LOGIN_TIMEOUT_MEANING = "seconds that a login may take in a script, where no user can be prompted"
_DAY_S = 86400.0


def parse_login_timeout(settings: Mapping[str, Any]) -> float | None:
    """Reads the setting; None if the context does not have it. Raises ConfigError."""
    seconds = settings.get(LOGIN_TIMEOUT)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _DAY_S:
        message = f"{LOGIN_TIMEOUT}: must be a number of seconds above 0 and at most {_DAY_S:.0f}"
        raise ConfigError(message, field=LOGIN_TIMEOUT)
    return float(seconds)
