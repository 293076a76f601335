"""The table `provider_options.slurm` of a task: options of sbatch for which a task has no field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Unsupported, printable
from flow_core.providers.slurm.submit.sbatch_options import get_arity

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_FIELD = "provider_options"
_REFUSED = {
    "array": "use the field array",
    "begin": "use the field scheduled_start_time",
    "chdir": "use the field working_dir",
    "cluster": "use the setting cluster of the context",
    "clusters": "use the setting cluster of the context",
    "dependency": "use the field after",
    "error": "flow keeps the log of the task",
    "export": "use the field env",
    "export-file": "use the field env",
    "input": "a task has no input",
    "job-name": "use the field name",
    "nodes": "use the field num_instances",
    "ntasks": "use the field num_instances",
    "ntasks-per-node": "use the field num_instances",
    "open-mode": "flow keeps the log of the task",
    "output": "flow keeps the log of the task",
    "wrap": "use the field command",
}
_NEVER = frozenset({
    "bbf", "container", "container-id", "get-user-env", "gid", "help", "ignore-pbs", "nodefile", "parsable", "quiet",
    "resv-ports", "test-only", "uid", "usage", "verbose", "version", "wait",
})  # fmt: skip
_HARMLESS = frozenset({
    "account", "acctg-freq", "comment", "deadline", "hold", "kill-on-invalid-dep", "mail-type", "mail-user", "nice",
    "no-kill", "no-requeue", "partition", "priority", "profile", "propagate", "qos", "requeue", "signal", "time",
    "time-min", "wckey",
})  # fmt: skip
"""Options that don't choose nodes, so that sbatch refuses a wrong one without recording a job."""


def parse_provider_options(config: TaskConfig) -> dict[str, str]:
    """Returns the options by their names; a flag has the value "". Raises ConfigError (field "provider_options")."""
    table: Mapping[str, Any] = config.provider_options.get("slurm", {})
    options: dict[str, str] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        _check_name(key, name)
        if name == "requeue" and value is False:
            options["no-requeue"] = ""
        elif value is not None and value is not False:
            options[name] = _convert(key, name, value)
    return options


def chooses_nodes(name: str) -> bool:
    """Returns whether an option may ask for nodes that the cluster doesn't have."""
    return name not in _HARMLESS


def _check_name(key: str, name: str) -> None:
    shown = f"{_FIELD}: slurm.{printable(key)}"
    if name in _REFUSED:
        raise Unsupported(f"{shown} can't be set; {_REFUSED[name]}", field=_FIELD)
    if name in _NEVER or get_arity(name) is None:
        reason = "is not allowed" if get_arity(name) else "is not an option of sbatch"
        raise ConfigError(f"{shown} {reason}; write the name of a long option, such as constraint", field=_FIELD)


def _convert(key: str, name: str, value: Any) -> str:
    """Converts a value to text; a list becomes a comma-separated text."""
    arity = get_arity(name)
    if value is True:
        if arity == "value":
            raise ConfigError(f"{_FIELD}: slurm.{key} needs a value", field=_FIELD)
        return ""
    if arity == "none":
        raise ConfigError(f"{_FIELD}: slurm.{key} takes true or false", field=_FIELD)
    parts = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in parts):
        raise ConfigError(f"{_FIELD}: slurm.{key} must be text, a number or a list of them", field=_FIELD)
    text = ",".join(str(part) for part in parts)
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{_FIELD}: slurm.{key} must be a line of text", field=_FIELD)
    return text
