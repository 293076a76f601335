"""`from flow_core.sdk.models import TaskConfig`, as in the Flow SDK reference."""

from typing import Any

from flow_core.models.flow_ir import ResourceSpec, RunParams, TaskSpec
from flow_core.models.identity import Project, User
from flow_core.models.instance import AvailableInstance, Instance, InstanceRequirements, InstanceStatus
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import MountSpec, Retries, TaskConfig, VolumeSpec
from flow_core.models.volume import StorageInterface, Volume
from flow_core.sync import DevEnvironment, Task
from flow_core.unsupported_names import missing

__all__ = [
    "AvailableInstance",
    "DevEnvironment",
    "Instance",
    "InstanceRequirements",
    "InstanceStatus",
    "MountSpec",
    "Project",
    "Reservation",
    "ReservationSpec",
    "ReservationStatus",
    "ResourceSpec",
    "Retries",
    "RunParams",
    "StorageInterface",
    "Task",
    "TaskConfig",
    "TaskSpec",
    "TaskStatus",
    "User",
    "Volume",
    "VolumeSpec",
]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
