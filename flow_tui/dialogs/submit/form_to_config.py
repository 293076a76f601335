"""Converts the values of the submit form to a TaskConfig. Each error names the wrong field. No side effects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.agent.regular_files import parse_json
from flow_core.errors import ConfigError
from flow_tui.bid_prices import parse_usd

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_ID = re.compile(r"[a-z]+_\w+")  # names have no underscore, ids have one
_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)?", re.IGNORECASE)
_IN_HOURS = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}
_CHOOSE_AN_INSTANCE = {"instance_type", "min_gpu_memory_gb"}


def parse_task_config(entered: Mapping[str, str]) -> TaskConfig:
    """Returns the config that the fields describe. Raises ConfigError. The first call loads pydantic: up to 0.3 s."""
    from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic, and most users never submit

    return TaskConfig.parse(_to_config_fields(entered))


def collect_typed_fields(entered: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields for the user to correct. Invalid values stay as typed.

    If `rest` is no table or repeats a field, its text goes into `also`, which TaskConfig rejects.
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
        rest = _check_given_once(parse_rest(entered.get("rest", "")), entered)
    except ConfigError:
        rest = {"other_fields": entered["rest"]}
    return _default_to_cpu({**typed, **rest})


def parse_env(text: str) -> dict[str, str]:
    """Parses one NAME=value a line; each value is kept exactly. Raises ConfigError, which never repeats a value."""
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
    """Parses "data:/data, ckpt:/ckpt:100" to fields of VolumeSpecs: name or id, path, and the GB to create it with."""
    return [_parse_volume(entry.strip()) for entry in text.split(",") if entry.strip()]


def parse_hours(text: str) -> float | None:
    """Parses hours from "12", "1.5h", "90m" or "2d"; None if empty."""
    if not text.strip():
        return None
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ConfigError("enter hours, such as 12, or 90m, or 2d", field="max_run_time_hours")
    return float(found[1]) * _IN_HOURS[(found[2] or "h").lower()]


def parse_limit(text: str) -> float:
    """Parses a price limit in USD per hour and instance."""
    return float(parse_usd(text, "max_price_per_hour"))


def parse_size_gb(text: str) -> int:
    """Parses gigabytes from "100", "100gb" or "2tb"."""
    found = re.fullmatch(r"(\d{1,9})\s*(g|gb|t|tb)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigError("enter gigabytes, such as 100", field="size_gb")
    return int(found[1]) * (1024 if (found[2] or "").lower().startswith("t") else 1)


def parse_rest(text: str) -> dict[str, Any]:
    """Parses the fields without a control in the form, from a JSON table."""
    if not text.strip():
        return {}
    try:
        fields = parse_json(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError('enter a JSON object, such as {"num_instances": 2}', field="rest")
    if "name" in fields:
        raise ConfigError("name has its own field", field="rest")
    return fields


class TaskConfigField(NamedTuple):
    """The TaskConfig field that a field of the form sets, and the parser of its text."""

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
"""The fields by the form's keys, without the name, which depends on unique_name."""


def _to_config_fields(entered: Mapping[str, str]) -> dict[str, Any]:
    fields = _check_given_once(parse_rest(entered.get("rest", "")), entered)
    for key, place in CONFIG_FIELDS.items():
        if (text := entered.get(key, "")).strip():
            fields[place.field] = place.read(text)
    fields.setdefault("command", "")
    fields = _default_to_cpu(fields)
    if name := entered.get("name", "").strip():
        fields = {"unique_name": False} | fields | {"name": name}
    return fields


def _default_to_cpu(fields: dict[str, Any]) -> dict[str, Any]:
    """Requests a CPU instance if the fields choose no instance. The value null requests any instance."""
    return fields if _CHOOSE_AN_INSTANCE & fields.keys() else {**fields, "instance_type": "cpu"}


def _check_given_once(rest: dict[str, Any], entered: Mapping[str, str]) -> dict[str, Any]:
    """Removes fields that are null in `rest` and set in the form. Raises ConfigError for a field that is set twice."""
    for key, place in CONFIG_FIELDS.items():
        if entered.get(key, "").strip() and rest.pop(place.field, None) is not None:
            raise ConfigError(f"{place.field} has its own field; enter it once", field="rest")
    return rest


def _parse_volume(entry: str) -> dict[str, Any]:
    from flow_core.models.task_config import VolumeSpec  # lazy import: loads pydantic

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
