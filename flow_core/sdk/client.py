"""`from flow_core.sdk.client import Flow`, as the reference has it."""

from flow_core.blocking import Client, Flow

__all__ = ["Client", "Flow"]
