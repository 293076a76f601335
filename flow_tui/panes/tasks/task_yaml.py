"""Formats the config of a task as a task file to show and share. Hides secrets as the detail does. No side effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.models.task import TaskRecord
from flow_tui.panes.tasks.facts import mask
from flow_tui.redact import HIDDEN

_UNCHANGED = {"name", "command"}
_NAMED_BY_USERS = {"env", "provider_options"}


def format_task_yaml(task: TaskRecord) -> str:
    """Returns YAML that parses to the same TaskConfig, without secrets. A comment tells whether any were hidden."""
    from flow_core.models.yaml_file import dump_yaml  # lazy import: loads yaml

    fields = {"name": "flow-task", "unique_name": True, "command": task.command} | dict(task.config)
    text = dump_yaml(
        {name: value if name in _UNCHANGED else _hide_secrets(name, value) for name, value in fields.items()}
    )
    return f"# Secrets are {HIDDEN}; fill them in before you submit this.\n{text}" if HIDDEN in text else text


def _hide_secrets(name: str, value: Any, *, is_field: bool = True) -> Any:
    if isinstance(value, Mapping):
        within = is_field and name not in _NAMED_BY_USERS
        return {key: _hide_secrets(str(key), inner, is_field=within) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hide_secrets(name, inner, is_field=is_field) for inner in value]
    return mask(name, value, is_field=is_field) if isinstance(value, str) else value
