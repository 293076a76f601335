"""Flow, Client and Task: the async client for blocking code, on one private event loop.

Names are loaded on first use, so that importing `Flow` loads neither asyncio nor the other classes.
"""

from __future__ import annotations

from importlib import import_module

import flow_core.sync.program_end  # noqa: F401 - registers the end of the loop

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from typing import Any

    from flow_core.sync.dev import DevEnvironment
    from flow_core.sync.flow import Flow
    from flow_core.sync.functions import create_volume, log_stream, run
    from flow_core.sync.small_client import Client
    from flow_core.sync.task import Task

_MODULES = {
    "Client": "small_client",
    "DevEnvironment": "dev",
    "Flow": "flow",
    "Task": "task",
    "create_volume": "functions",
    "log_stream": "functions",
    "run": "functions",
}

__all__ = ["Client", "DevEnvironment", "Flow", "Task", "create_volume", "log_stream", "run"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
