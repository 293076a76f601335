"""What the client answers for a facet that a provider does not have."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from flow_core import AsyncFlow
from flow_core.errors import Unsupported

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3kTwd5kCD6Zq0S6vTmTqXGzPnE7u7b8mYH8cXl3x0N someone@somewhere"


async def check_answers_without(facet: str, flow: AsyncFlow, task_id: str) -> None:
    """Asserts that the client refuses a missing facet with a sentence, or returns its documented empty answer."""
    refused, empty = MISSING[facet]
    for name, arguments in refused.items():
        with pytest.raises(Unsupported, match=f"context '{flow.context.name}'") as refusal:
            await ask(flow, name, arguments, task_id)
        assert str(refusal.value).isprintable()
    for name, (arguments, wanted) in empty.items():
        assert await ask(flow, name, arguments, task_id) == wanted


async def ask(flow: AsyncFlow, name: str, arguments: tuple[Any, ...], task_id: str) -> Any:
    answer = getattr(flow, name)(*(task_id if one == "TASK" else one for one in arguments))
    return await answer if inspect.isawaitable(answer) else answer


_Refused = dict[str, tuple[Any, ...]]
_Empty = dict[str, tuple[tuple[Any, ...], Any]]
MISSING: dict[str, tuple[_Refused, _Empty]] = {
    "logs": ({"logs": ("TASK",), "log_addresses": ("TASK",)}, {}),
    "instances": ({"find_instances": ({},)}, {"normalize_instance_request": ((16, "h100"), ("8xh100", 2, None))}),
    "volumes": (
        {"list_volumes": (), "create_volume": (1,), "delete_volume": ("x",), "mount_volume": ("x", "TASK")},
        {},
    ),
    "reservations": (
        {"reserve": ("a100",), "cancel_reservation": ("x",)},
        {"list_reservations": ((), []), "get_reservation": (("x",), None), "reservation_availability": (({},), [])},
    ),
    "ssh_keys": (
        {"get_ssh_key_manager": (), "create_platform_ssh_key": ("x", KEY), "delete_platform_ssh_key": ("x",)},
        {"list_platform_ssh_keys": ((), []), "ensure_default_ssh_key": ((), None)},
    ),
    "identity": (
        {},
        {"list_projects": ((), []), "get_user": (("x",), None), "get_user_teammates": (("x",), [])},
    ),
    "shells": ({"task_directory": ("TASK",)}, {}),
    "remote": ({"get_remote_operations": ()}, {}),
    "uploads": ({"upload_code_to_task": ("TASK",)}, {}),
    "endpoints": ({"resolve_ssh_endpoint": ("TASK",), "wait_for_ssh": ("TASK",), "ssh_command": ("TASK",)}, {}),
    "tunnels": ({"get_ssh_tunnel_manager": ()}, {}),
    "metrics": ({"task_metrics": ("TASK",), "instance_metrics": ("x",)}, {}),
    "pruning": ({"plan_pruning": (30,)}, {}),
    "scheduling": (
        {
            **dict.fromkeys(("hold_task", "release_task", "requeue_task"), ("TASK",)),
            **{"set_time_limit": ("TASK", 1), "signal_task": ("TASK", "SIGUSR1")},
            **{"estimate_start": ("true",), "watch_everyone": ()},
        },
        {},
    ),
}
