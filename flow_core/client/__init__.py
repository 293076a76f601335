"""The async client: everything that can be asked of one context."""

from flow_core.client.flow import AsyncFlow
from flow_core.client.task import AsyncTask

__all__ = ["AsyncFlow", "AsyncTask"]
