"""Turns a TaskConfig into values of the submit form that make the same config again. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.submit.form_to_config import CONFIG_FIELDS, TaskConfigField

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord

_MADE_UP = "flow-task"
_SEVERAL_LINES = {"command", "env"}


def entered_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """What to fill the form with for the fields of a TaskConfig, as `said` gives them.

    `task_config` makes the same config of it. What the form has no words for goes into `rest`, whole.
    """
    rest = dict(fields)
    entered = {"name": _take_name(rest)} | dict.fromkeys(CONFIG_FIELDS, "")
    if volumes := rest.get("volumes"):
        rest["volumes"] = [_in_full(volume) for volume in volumes]
    for key, place in CONFIG_FIELDS.items():
        value = rest.pop(place.field, None) or None
        text = "" if value is None else _words_for(key, place, value)
        if text is None:
            rest[place.field] = value
        entered[key] = text or ""
    if not entered["gpu"] and rest.get("min_gpu_memory_gb") is None:
        rest.setdefault("instance_type", None)  # an empty field would mean cpu
    return entered | {"rest": json.dumps(rest) if rest else ""}


def preset_of(task: TaskRecord) -> dict[str, str]:
    """The values to fill the form with to run a task again. A generated name is left out, so that a new one is made."""
    fields = dict(task.config)
    fields.pop("idempotency_key", None)  # it would give the old task instead of a new one
    command = fields.get("command") or task.command
    fields["command"] = command if isinstance(command, str) else shlex.join(command)
    if memory_gb := fields.pop("min_gpu_memory_gb", None):
        fields["instance_type"] = f"gpu:{memory_gb}gb"
    fields["instance_type"] = fields.get("instance_type") or task.instance_type or "cpu"
    if not fields.get("unique_name", True):
        fields["name"] = task.name
    return entered_of(fields) | {"context": task.context}


def _take_name(rest: dict[str, Any]) -> str:
    name, is_unique = str(rest.pop("name", _MADE_UP)), rest.pop("unique_name", True)
    if is_unique and name == _MADE_UP:
        return ""
    if is_unique:
        rest["unique_name"] = True  # a name alone means just that name
    return name


def _words_for(key: str, place: TaskConfigField, value: Any) -> str | None:
    """The text that reads back as this value and that its control keeps exactly; None where there is none."""
    text = _WRITERS[key](value)
    if text is None or not _is_kept(key, text):
        return None
    try:
        return text if place.read(text) == value else None
    except ConfigError:
        return None


def _is_kept(key: str, text: str) -> bool:
    if key not in _SEVERAL_LINES:
        return escape_controls(text) == text
    return text.splitlines() == text.removesuffix("\n").split("\n")


def _plain_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _env_text(env: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in env.items())


def _volumes_text(volumes: list[Mapping[str, Any]]) -> str:
    return ", ".join(_volume_text(volume) for volume in volumes)


def _volume_text(volume: Mapping[str, Any]) -> str:
    parts = [volume.get("volume_id") or volume.get("name") or "", volume.get("mount_path") or ""]
    if volume.get("create_if_missing"):
        parts.append(str(volume["size_gb"]))
    return ":".join(parts).rstrip(":")


def _in_full(volume: Mapping[str, Any]) -> dict[str, Any]:
    """The volume with its size, where it is created. A size alone also means that it is created."""
    by_size = "size_gb" in volume and not volume.get("volume_id")
    if not volume.get("create_if_missing", by_size):
        return dict(volume)
    return {**volume, "size_gb": volume.get("size_gb", 1), "create_if_missing": True}


_WRITERS: Mapping[str, Any] = {
    "command": _plain_text,
    "gpu": _plain_text,
    "env": _env_text,
    "volumes": _volumes_text,
    "working_dir": _plain_text,
    "max_run_hours": lambda hours: f"{hours:.15g}",
    "region": _plain_text,
    "limit": lambda usd: f"{usd:.15g}",
}
