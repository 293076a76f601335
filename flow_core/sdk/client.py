"""`from flow_core.sdk.client import Flow`, as the reference has it."""

from flow_core.blocking import Client, Flow, run
from flow_core.models.catalog import CatalogEntry, GPUInstanceDict, TaskDict
from flow_core.models.instance import InstanceRequirements

__all__ = ["CatalogEntry", "Client", "Flow", "GPUInstanceDict", "InstanceRequirements", "TaskDict", "run"]
