"""Turns the values of the submit form into a TaskConfig. Every error names the field with the wrong value. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.agent.bounded_read import parse_json
from flow_core.errors import ConfigError
from flow_tui.bid import parse_usd

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_ID = re.compile(r"[a-z]+_\w+")  # no name holds an underscore, every id does
_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)?", re.IGNORECASE)
_IN_HOURS = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}
_CHOOSE_AN_INSTANCE = {"instance_type", "min_gpu_memory_gb"}


def task_config(entered: Mapping[str, str]) -> TaskConfig:
    """The config that the fields describe. Raises ConfigError. Its first call loads pydantic: up to 0.3 s."""
    from flow_core.models.task_config import TaskConfig  # deferred: loads pydantic, and most never submit

    return TaskConfig.parse(_fields_of(entered))


def typed_fields(entered: Mapping[str, str]) -> dict[str, Any]:
    """The fields as far as they can be read, for somebody to put right: what can't be read stands as it was typed.

    What stands in `rest` is called `also`, which no TaskConfig takes, where it is no table or says something twice.
    """
    name = entered.get("name", "").strip()
    typed: dict[str, Any] = {"name": name} if name else {"name": "flow-task", "unique_name": True}
    typed["command"] = ""
    for key, place in CONFIG_FIELDS.items():
        if (text := entered.get(key, "")).strip():
            try:
                typed[place.field] = place.read(text)
            except ConfigError:
                typed[place.field] = text
    try:
        rest = _without_a_second(parse_rest(entered.get("rest", "")), entered)
    except ConfigError:
        rest = {"also": entered["rest"]}
    return _on_cpus({**typed, **rest})


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


def parse_limit(text: str) -> float:
    """USD per hour and instance."""
    return float(parse_usd(text, "max_price_per_hour"))


def parse_size_gb(text: str) -> int:
    """Gigabytes from "100", "100gb" or "2tb"."""
    found = re.fullmatch(r"(\d{1,9})\s*(g|gb|t|tb)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigError("write gigabytes, such as 100", field="size_gb")
    return int(found[1]) * (1024 if (found[2] or "").lower().startswith("t") else 1)


def parse_rest(text: str) -> dict[str, Any]:
    """The fields that the form has no control for, from a JSON table."""
    if not text.strip():
        return {}
    try:
        fields = parse_json(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError('write a table such as {"num_instances": 2}', field="rest")
    if "name" in fields:
        raise ConfigError("name has a field of its own", field="rest")
    return fields


class TaskConfigField(NamedTuple):
    """The TaskConfig field that a field of the form sets, and how its text is read."""

    field: str
    read: Callable[[str], Any]


CONFIG_FIELDS: Mapping[str, TaskConfigField] = {
    "command": TaskConfigField("command", str),
    "gpu": TaskConfigField("instance_type", str.strip),
    "env": TaskConfigField("env", parse_env),
    "volumes": TaskConfigField("volumes", parse_volumes),
    "working_dir": TaskConfigField("working_dir", str.strip),
    "max_run_hours": TaskConfigField("max_run_time_hours", parse_hours),
    "region": TaskConfigField("region", str.strip),
    "limit": TaskConfigField("max_price_per_hour", parse_limit),
}
"""By the form's keys. The name is not among them: it is one with unique_name."""


def _fields_of(entered: Mapping[str, str]) -> dict[str, Any]:
    fields = _without_a_second(parse_rest(entered.get("rest", "")), entered)
    for key, place in CONFIG_FIELDS.items():
        if (text := entered.get(key, "")).strip():
            fields[place.field] = place.read(text)
    fields.setdefault("command", "")
    fields = _on_cpus(fields)
    if name := entered.get("name", "").strip():
        fields = {"unique_name": False} | fields | {"name": name}
    return fields


def _on_cpus(fields: dict[str, Any]) -> dict[str, Any]:
    """Asks for a CPU instance where no instance is chosen. null asks for any instance."""
    return fields if _CHOOSE_AN_INSTANCE & fields.keys() else {**fields, "instance_type": "cpu"}


def _without_a_second(rest: dict[str, Any], entered: Mapping[str, str]) -> dict[str, Any]:
    """Removes fields that are null in `rest` and typed in the form. Raises ConfigError for a field set twice."""
    for key, place in CONFIG_FIELDS.items():
        if entered.get(key, "").strip() and rest.pop(place.field, None) is not None:
            raise ConfigError(f"{place.field} has a field of its own; give it once", field="rest")
    return rest


def _volume(entry: str) -> dict[str, Any]:
    from flow_core.models.task_config import VolumeSpec  # deferred: loads pydantic

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
        raise ConfigError(f"{entry!r}: {error.reason}", field="volumes") from None
    return fields
