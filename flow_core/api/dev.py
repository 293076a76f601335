"""`from flow_core.api.dev import DevEnvironment`, as in older releases of the published SDK."""

from flow_core.sync import DevEnvironment

__all__ = ["DevEnvironment"]
