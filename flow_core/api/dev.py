"""`from flow_core.api.dev import DevEnvironment`, as older releases of the published SDK have it."""

from flow_core.sync import DevEnvironment

__all__ = ["DevEnvironment"]
