"""`from flow_core.sdk.client import Flow`, as in the Flow SDK reference."""

from typing import Any

from flow_core.models.instance import InstanceRequirements
from flow_core.models.typed_dicts import CatalogEntry, GPUInstanceDict, TaskDict
from flow_core.sync import Client, Flow, run
from flow_core.unsupported_names import missing

__all__ = ["CatalogEntry", "Client", "Flow", "GPUInstanceDict", "InstanceRequirements", "TaskDict", "run"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
