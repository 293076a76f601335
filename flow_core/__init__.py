"""GPU work on any provider: find, submit, watch, read logs, enter, from any script.

Names are loaded on first use, so `import flow_core` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # true for type checkers; importing typing would be most of what this module costs
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AsyncFlow": "client",
    "AsyncTask": "client",
    "Flow": "blocking",
    "Client": "blocking",
    "Task": "blocking",
    "Fleet": "fleet",
    "TaskConfig": "models.spec",
    "VolumeSpec": "models.spec",
    "MountSpec": "models.spec",
    "TaskRecord": "models.task",
    "TaskStatus": "models.task",
    "Volume": "models.volume",
    "AvailableInstance": "models.instance",
    "InstanceRequirements": "models.instance",
    "LogAddress": "logs.address",
    "FlowError": "errors",
    "ConfigError": "errors",
    "Unsupported": "errors",
    "ReadOnly": "errors",
    "ProviderError": "errors",
    "AuthError": "errors",
    "NotFound": "errors",
    "Conflict": "errors",
    "CapacityError": "errors",
    "Unreachable": "errors",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Deferred on purpose: a script that needs only errors must not pay for pydantic and asyncio.
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from flow_core.blocking import Client, Flow, Task
    from flow_core.client import AsyncFlow, AsyncTask
    from flow_core.errors import (
        AuthError,
        CapacityError,
        ConfigError,
        Conflict,
        FlowError,
        NotFound,
        ProviderError,
        ReadOnly,
        Unreachable,
        Unsupported,
    )
    from flow_core.fleet import Fleet
    from flow_core.logs.address import LogAddress
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.spec import MountSpec, TaskConfig, VolumeSpec
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.volume import Volume
