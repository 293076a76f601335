"""The check of a port number."""

from __future__ import annotations

from flow_core.errors import ConfigError


def check_port(port: int, field: str, *, minimum: int) -> None:
    """Checks that a port is from `minimum` to 65535. Raises ConfigError."""
    if not minimum <= port < 1 << 16:
        raise ConfigError(f"{field}: must be a port number, {minimum} to 65535, not {port}", field=field)
