"""Converts options of sbatch to the fields of a job in the JSON of slurmrestd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import ConfigError, Unsupported, printable
from flow_core.providers.slurm.rest.api_description import FIRST_PARSED_VERSION, ApiDescription, Form
from flow_core.providers.slurm.rest.field_rules import Value, find_rule
from flow_core.providers.slurm.rest.option_values import read_warning

_HARMLESS = frozenset({"export", "parsable", "quiet", "verbose", "wait"})
"""Options without an effect here. slurmrestd exports no variable of this machine."""
_TRES_FIELDS = ("tres_per_", "cpus_per_tres", "memory_per_tres")


def build_job_fields(options: Mapping[str, str], api: ApiDescription, sources: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields of `job`. An option without a value has the value "".

    `sources` names the field of the task that set an option. Raises Unsupported for an option that slurmrestd does not
    take, and ConfigError for a value that can't be read; both name that field.
    """
    job: dict[str, Any] = {}
    for option, text in options.items():
        source = sources.get(option, "command")
        if option in _HARMLESS:
            continue
        try:
            fields = _convert(option, text, api)
        except ValueError:
            shown = printable(repr(text))
            raise ConfigError(f"{source}: slurmrestd does not take {shown} for {option}", field=source) from None
        if fields is None:
            raise Unsupported(
                f"{source}: slurmrestd takes no option {printable(option)}; leave it out, or use a context with SSH",
                field=source,
            )
        for name, value in fields.items():
            is_more = name.startswith(_TRES_FIELDS) and name in job
            job[name] = f"{job[name]},{value}" if is_more else value
    return job


def build_number(value: int, form: Form) -> Any:
    """Returns a number as a version writes it."""
    return {"set": True, "infinite": False, "number": value} if form == "struct" else value


def build_environment(variables: Mapping[str, str], api: ApiDescription) -> Any:
    """Returns the variables of a job, of which there must be one."""
    is_table = not api.is_parsed or api.job_fields.get("environment") == "table"
    return dict(variables) if is_table else [f"{name}={value}" for name, value in variables.items()]


def _convert(option: str, text: str, api: ApiDescription) -> dict[str, Any] | None:
    """Returns the fields for an option; None if this version has none. Raises ValueError."""
    if option == "signal" and api.is_parsed:
        return _build_warning(text)
    rule = find_rule(option, api)
    if rule is None:
        return None
    value = rule.read(text)
    if not api.is_parsed:
        return {rule.field: "UNLIMITED" if value is None else value}
    if rule.field.startswith(_TRES_FIELDS):
        return {rule.field: _name_resources(str(value), api.version)}
    return {rule.field: _write(value, api.job_fields.get(rule.field, rule.form))}


def _write(value: Value, form: Form) -> Any:
    if value is None:
        return {"set": True, "infinite": True, "number": 0} if form == "struct" else 0xFFFFFFFF
    if form == "list" and isinstance(value, str):
        return [part for part in value.split(",") if part]
    return build_number(value, form) if isinstance(value, int) and not isinstance(value, bool) else value


def _name_resources(text: str, version: int) -> str:
    """Returns resources such as gpu:a100:4 with the prefix that this version wants."""
    prefix = "gres:" if version == FIRST_PARSED_VERSION else "gres/"
    parts = (part.strip().removeprefix("gres/").removeprefix("gres:") for part in text.split(","))
    return ",".join(f"{prefix}{part}" for part in parts if part)


def _build_warning(text: str) -> dict[str, Any]:
    name, delay_s, is_for_script = read_warning(text)
    fields: dict[str, Any] = {"kill_warning_signal": name, "kill_warning_delay": build_number(delay_s, "struct")}
    return fields | ({"kill_warning_flags": ["BATCH_JOB"]} if is_for_script else {})
