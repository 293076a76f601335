"""`from flow_core.sdk.dev import DevEnvironment`, as the published SDK has it."""

from flow_core.sync import DevEnvironment

__all__ = ["DevEnvironment"]
