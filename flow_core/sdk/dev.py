"""`from flow_core.sdk.dev import DevEnvironment`, as in the Flow SDK reference."""

from flow_core.sync import DevEnvironment

__all__ = ["DevEnvironment"]
