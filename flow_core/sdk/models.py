"""`from flow_core.sdk.models import TaskConfig`, as the reference has it."""

from flow_core.blocking import DevEnvironment, Task
from flow_core.models.identity import User
from flow_core.models.instance import AvailableInstance, InstanceRequirements
from flow_core.models.ir import ResourceSpec, RunParams, TaskSpec
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.spec import MountSpec, Retries, TaskConfig, VolumeSpec
from flow_core.models.task import TaskStatus
from flow_core.models.volume import Volume

__all__ = [
    "AvailableInstance",
    "DevEnvironment",
    "InstanceRequirements",
    "MountSpec",
    "Reservation",
    "ReservationSpec",
    "ReservationStatus",
    "ResourceSpec",
    "Retries",
    "RunParams",
    "Task",
    "TaskConfig",
    "TaskSpec",
    "TaskStatus",
    "User",
    "Volume",
    "VolumeSpec",
]
