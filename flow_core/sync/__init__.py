"""Flow, Client and Task: the async client for blocking code, on one private event loop."""

from flow_core.sync.dev import DevEnvironment
from flow_core.sync.flow import Flow
from flow_core.sync.functions import create_volume, log_stream, run
from flow_core.sync.small_client import Client
from flow_core.sync.task import Task

__all__ = ["Client", "DevEnvironment", "Flow", "Task", "create_volume", "log_stream", "run"]
