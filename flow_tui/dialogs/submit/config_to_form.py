"""Converts a TaskConfig to values of the submit form that result in the same config. No side effects."""

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

_GENERATED_NAME = "flow-task"
_SEVERAL_LINES = {"command", "env"}


def to_form_values(fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns the values of the form for the fields of a TaskConfig, as `TaskConfig.to_dict` returns them.

    `task_config` makes the same config from them. Fields that the form can't express go into `rest` unchanged.
    """
    rest = dict(fields)
    entered = {"name": _take_name(rest)} | dict.fromkeys(CONFIG_FIELDS, "")
    if volumes := rest.get("volumes"):
        rest["volumes"] = [_add_size(volume) for volume in volumes]
    for key, config_field in CONFIG_FIELDS.items():
        value = rest.pop(config_field.field, None) or None
        text = "" if value is None else _format_value(key, config_field, value)
        if text is None:
            rest[config_field.field] = value
        entered[key] = text or ""
    if not entered["gpu"] and rest.get("min_gpu_memory_gb") is None:
        rest.setdefault("instance_type", None)  # an empty field would mean cpu
    return entered | {"rest": json.dumps(rest) if rest else ""}


def make_preset(task: TaskRecord) -> dict[str, str]:
    """Returns the values of the form to run a task again. Omits a generated name, so that a new one is generated."""
    fields = dict(task.config)
    fields.pop("idempotency_key", None)  # a submit with it would return the old task
    command = fields.get("command") or task.command
    fields["command"] = command if isinstance(command, str) else shlex.join(command)
    if memory_gb := fields.pop("min_gpu_memory_gb", None):
        fields["instance_type"] = f"gpu:{memory_gb}gb"
    fields["instance_type"] = fields.get("instance_type") or task.instance_type or "cpu"
    if not fields.get("unique_name", True):
        fields["name"] = task.name
    return to_form_values(fields) | {"context": task.context}


def _take_name(rest: dict[str, Any]) -> str:
    name, is_unique = str(rest.pop("name", _GENERATED_NAME)), rest.pop("unique_name", True)
    if is_unique and name == _GENERATED_NAME:
        return ""
    if is_unique:
        rest["unique_name"] = True  # without it, a name in the form is used exactly
    return name


def _format_value(key: str, config_field: TaskConfigField, value: Any) -> str | None:
    """Returns a text that parses to this value and that its control keeps exactly; None if there is none."""
    text = _WRITERS[key](value)
    if text is None or not _is_kept_by_control(key, text):
        return None
    try:
        return text if config_field.read(text) == value else None
    except ConfigError:
        return None


def _is_kept_by_control(key: str, text: str) -> bool:
    if key not in _SEVERAL_LINES:
        return escape_controls(text) == text
    return text.splitlines() == text.removesuffix("\n").split("\n")


def _format_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _format_env(env: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in env.items())


def _format_volumes(volumes: list[Mapping[str, Any]]) -> str:
    return ", ".join(_format_volume(volume) for volume in volumes)


def _format_volume(volume: Mapping[str, Any]) -> str:
    parts = [volume.get("volume_id") or volume.get("name") or "", volume.get("mount_path") or ""]
    if volume.get("create_if_missing"):
        parts.append(str(volume["size_gb"]))
    return ":".join(parts).rstrip(":")


def _add_size(volume: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the volume with its size if it is to be created. A size alone also means that."""
    by_size = "size_gb" in volume and not volume.get("volume_id")
    if not volume.get("create_if_missing", by_size):
        return dict(volume)
    return {**volume, "size_gb": volume.get("size_gb", 1), "create_if_missing": True}


_WRITERS: Mapping[str, Any] = {
    "command": _format_text,
    "gpu": _format_text,
    "env": _format_env,
    "volumes": _format_volumes,
    "working_dir": _format_text,
    "max_run_hours": lambda hours: f"{hours:.15g}",
    "region": _format_text,
    "limit": lambda usd: f"{usd:.15g}",
}
