"""GPU work on any provider: find GPUs, submit tasks, watch them, read logs, open shells, from any script.

Names are loaded on first use, so that `import flow_core` stays fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # true for type checkers; importing typing would take most of this module's time
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "AsyncDevEnvironment": "client.dev",
    "AsyncFlow": "client.flow",
    "AsyncTask": "client.task",
    "Client": "sync",
    "DevEnvironment": "sync",
    "Flow": "sync",
    "Task": "sync",
    "create_volume": "sync",
    "log_stream": "sync",
    "run": "sync",
    "Fleet": "fleet",
    "ResourceSpec": "models.flow_ir",
    "RunParams": "models.flow_ir",
    "SpecMount": "models.flow_ir",
    "TaskSpec": "models.flow_ir",
    "MountSpec": "models.task_config",
    "Retries": "models.task_config",
    "TaskConfig": "models.task_config",
    "VolumeSpec": "models.task_config",
    "ReservationSpec": "models.reservation_spec",
    "Reservation": "models.reservation",
    "ReservationStatus": "models.reservation",
    "ArrayElement": "models.task",
    "TaskRecord": "models.task",
    "TaskStatus": "models.task",
    "StorageInterface": "models.volume",
    "Volume": "models.volume",
    "AvailableInstance": "models.instance",
    "Instance": "models.instance",
    "InstanceStatus": "models.instance",
    "InstanceRequirements": "models.instance",
    "CatalogEntry": "models.typed_dicts",
    "GPUInstanceDict": "models.typed_dicts",
    "TaskDict": "models.typed_dicts",
    "Project": "models.identity",
    "SshKey": "models.identity",
    "User": "models.identity",
    "GpuProcess": "models.metrics",
    "GpuSample": "models.metrics",
    "MachineSample": "models.metrics",
    "PrunableTask": "models.pruning",
    "PruningPlan": "models.pruning",
    "PruningResult": "models.pruning",
    "StartEstimate": "models.scheduling",
    "PriceSeries": "models.market",
    "Quota": "models.market",
    "TaskEvent": "models.market",
    "LogHit": "logs.search.log_hits",
    "LogHits": "logs.search.log_hits",
    "FailureCause": "logs.failure_report",
    "FailureReport": "logs.failure_report",
    "LogId": "logs.log_id",
    "IProviderInit": "providers.contract.config_schema",
    "Provider": "providers.contract.provider",
    "FlowError": "errors",
    "ConfigError": "errors",
    "Unsupported": "errors",
    "ReadOnly": "errors",
    "TaskTimeout": "errors",
    "ProviderError": "errors",
    "AuthError": "errors",
    "HostKeyUnknown": "errors",
    "HostKeyChanged": "errors",
    "NotFound": "errors",
    "Conflict": "errors",
    "CapacityError": "errors",
    "Unreachable": "errors",
}

# Aliases of flow's errors under the published SDK's names. Not in __all__: TimeoutError would shadow Python's.
_ALIASES = dict.fromkeys(
    (
        *("APIError", "AuthenticationError", "AuthorizationError", "ConfigParserError", "FlowOperationError"),
        *("FlowTimeoutError", "InstanceNotReadyError", "InsufficientBidPriceError", "NameConflictError"),
        *("NetworkError", "ProviderCapabilityError", "QuotaExceededError", "RateLimitError", "RemoteExecutionError"),
        *("ResourceNotAvailableError", "ResourceNotFoundError", "TaskExecutionError", "TaskNotFoundError"),
        *("TimeoutError", "ValidationAPIError", "ValidationError", "VolumeError"),
    ),
    "errors",
)

__all__ = ["__version__", *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    home = _MODULES.get(name) or _ALIASES.get(name)
    if home is None:
        from flow_core.unsupported_names import missing  # lazy import: rarely needed

        raise missing(__name__, name)
    # A lazy import on purpose: a script that needs only errors must not load pydantic and asyncio.
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from flow_core.client.dev import AsyncDevEnvironment
    from flow_core.client.flow import AsyncFlow
    from flow_core.client.task import AsyncTask
    from flow_core.errors import (
        AuthError,
        CapacityError,
        ConfigError,
        Conflict,
        FlowError,
        HostKeyChanged,
        HostKeyUnknown,
        NotFound,
        ProviderError,
        ReadOnly,
        TaskTimeout,
        Unreachable,
        Unsupported,
    )
    from flow_core.fleet import Fleet
    from flow_core.logs.failure_report import FailureCause, FailureReport
    from flow_core.logs.log_id import LogId
    from flow_core.logs.search.log_hits import LogHit, LogHits
    from flow_core.models.flow_ir import ResourceSpec, RunParams, SpecMount, TaskSpec
    from flow_core.models.identity import Project, SshKey, User
    from flow_core.models.instance import AvailableInstance, Instance, InstanceRequirements, InstanceStatus
    from flow_core.models.market import PriceSeries, Quota, TaskEvent
    from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample
    from flow_core.models.pruning import PrunableTask, PruningPlan, PruningResult
    from flow_core.models.reservation import Reservation, ReservationStatus
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.models.scheduling import StartEstimate
    from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
    from flow_core.models.task_config import MountSpec, Retries, TaskConfig, VolumeSpec
    from flow_core.models.typed_dicts import CatalogEntry, GPUInstanceDict, TaskDict
    from flow_core.models.volume import StorageInterface, Volume
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.provider import Provider
    from flow_core.sync import Client, DevEnvironment, Flow, Task, create_volume, log_stream, run
