"""`from flow_core.sdk.models import TaskConfig`, as the reference has it."""

from flow_core.blocking import Task
from flow_core.models.instance import AvailableInstance, InstanceRequirements
from flow_core.models.spec import MountSpec, TaskConfig, VolumeSpec
from flow_core.models.task import TaskStatus
from flow_core.models.volume import Volume

__all__ = [
    "AvailableInstance",
    "InstanceRequirements",
    "MountSpec",
    "Task",
    "TaskConfig",
    "TaskStatus",
    "Volume",
    "VolumeSpec",
]
