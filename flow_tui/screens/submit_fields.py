"""Pure: what was typed into the submit form <-> a TaskConfig. Every refusal names the field that is to blame."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig
    from flow_core.models.task import TaskRecord

_ID = re.compile(r"[a-z]+_\w+")  # no name holds an underscore, every id does
_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)?", re.IGNORECASE)
_IN_HOURS = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}
_HAVE_FIELDS = frozenset(
    {"name", "unique_name", "command", "instance_type", "min_gpu_memory_gb", "env", "working_dir", "volumes"}
    | {"max_run_time_hours"}
)


def task_config(entered: Mapping[str, str]) -> TaskConfig:
    """The config that the fields describe. Raises ConfigError. Its first call loads pydantic: up to 0.3 s."""
    from flow_core.models.spec import TaskConfig  # deferred: loads pydantic, and most never submit

    fields: dict[str, Any] = parse_rest(entered.get("rest", "")) | {
        "command": entered.get("command", ""),
        "instance_type": entered.get("gpu", "").strip() or "cpu",
        "env": parse_env(entered.get("env", "")),
        "volumes": parse_volumes(entered.get("volumes", "")),
        "working_dir": entered.get("working_dir", "").strip() or None,
        "max_run_time_hours": parse_hours(entered.get("max_run_hours", "")),
    }
    if name := entered.get("name", "").strip():
        fields |= {"name": name, "unique_name": False}
    try:
        return TaskConfig.parse(fields)
    except ConfigError as error:
        if error.field is None and fields["volumes"]:  # only mounts can clash with one another
            raise ConfigError(error.message, field="volumes") from None
        raise


def parse_env(text: str) -> dict[str, str]:
    """One NAME=value a line, the value exactly as it stands. No refusal repeats a value."""
    env: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError(f"line {number} is not NAME=value", field="env")
        if name in env:
            raise ConfigError(f"line {number} sets {name} again", field="env")
        env[name] = value
    return env


def parse_volumes(text: str) -> list[dict[str, Any]]:
    """Fields of VolumeSpecs from "data:/data, ckpt:/ckpt:100": a name or id, then a path, then GB to make it with."""
    return [_volume(entry.strip()) for entry in text.split(",") if entry.strip()]


def parse_hours(text: str) -> float | None:
    """Hours from "12", "1.5h", "90m" or "2d"; None when empty."""
    if not text.strip():
        return None
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ConfigError("write hours, such as 12, or 90m, or 2d", field="max_run_time_hours")
    return float(found[1]) * _IN_HOURS[(found[2] or "h").lower()]


def parse_size_gb(text: str) -> int:
    """Gigabytes from "100", "100gb" or "2tb"."""
    found = re.fullmatch(r"(\d{1,9})\s*(g|gb|t|tb)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigError("write gigabytes, such as 100", field="size_gb")
    return int(found[1]) * (1024 if (found[2] or "").lower().startswith("t") else 1)


def parse_rest(text: str) -> dict[str, Any]:
    """Fields that have no place of their own in the form, as a JSON table."""
    if not text.strip():
        return {}
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError('write a table such as {"num_instances": 2}', field="rest")
    if own := sorted(_HAVE_FIELDS & fields.keys()):
        raise ConfigError(f"{own[0]} has a field of its own", field="rest")
    return fields


def preset_of(task: TaskRecord) -> dict[str, str]:
    """What to fill the form with to run a task again. A name that was made up is left to be made up anew."""
    asked = task.config
    command = asked.get("command") or task.command
    hours = asked.get("max_run_time_hours")
    memory = asked.get("min_gpu_memory_gb")
    wanted = asked.get("instance_type") or (f"gpu:{memory}gb" if memory else task.instance_type)
    rest = {key: value for key, value in asked.items() if key not in _HAVE_FIELDS}
    return {
        "name": "" if asked.get("unique_name", True) else task.name,
        "command": command if isinstance(command, str) else shlex.join(command),
        "context": task.context,
        "gpu": wanted or "cpu",
        "env": "\n".join(f"{name}={value}" for name, value in (asked.get("env") or {}).items()),
        "volumes": ", ".join(_volume_text(volume) for volume in asked.get("volumes") or ()),
        "working_dir": asked.get("working_dir") or "",
        "max_run_hours": f"{hours:g}" if hours else "",
        "rest": json.dumps(rest) if rest else "",
    }


def _volume_text(volume: Mapping[str, Any]) -> str:
    parts = [volume.get("volume_id") or volume.get("name") or "", volume.get("mount_path") or ""]
    if volume.get("create_if_missing"):
        parts.append(str(volume.get("size_gb", 1)))
    return ":".join(parts).rstrip(":")


def _volume(entry: str) -> dict[str, Any]:
    from flow_core.models.spec import VolumeSpec  # deferred: loads pydantic

    parts = [part.strip() for part in entry.split(":")]
    if len(parts) > 3 or not parts[0]:
        raise ConfigError(f"{entry!r} is not name:/path or name:/path:GB", field="volumes")
    name, path, size = (*parts, "", "")[:3]
    fields: dict[str, Any] = {"volume_id" if _ID.fullmatch(name) else "name": name}
    if path:
        fields["mount_path"] = path
    try:
        if size:
            fields |= {"size_gb": parse_size_gb(size), "create_if_missing": True}
        VolumeSpec.parse(fields)
    except ConfigError as error:
        said = error.message.removeprefix(f"{error.field}: ")
        raise ConfigError(f"{entry!r}: {said}", field="volumes") from None
    return fields
