"""Detects task files of other tools and names the alternatives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flow_core.errors import ConfigError
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.yaml_file import YamlTable, parse_table

_HEAD = 64 << 10
_DSTACK_TYPES = ("task", "service", "dev-environment", "fleet", "volume", "gateway")
_FOREIGN_START = re.compile(r"^(?:apiVersion|api_version|services|resources|type|run|setup)\s*:", re.MULTILINE)
_PBS_LINE = re.compile(r"#PBS\s+(.*)")


class ForeignTool(NamedTuple):
    """Another tool. `matches` returns whether a table is a file for it.

    `field_hints` maps dotted names of its fields to flow's names; a star matches any name or number.
    """

    name: str
    matches: Callable[[Mapping[str, Any]], bool]
    field_hints: Mapping[str, str]


_TOOLS = (
    ForeignTool(
        "Kubernetes manifest",
        lambda table: "apiVersion" in table and "kind" in table,
        {
            "metadata.name": "name",
            "spec.parallelism": "num_instances",
            "spec.*.spec.containers.*.image": "image",
            "spec.*.spec.containers.*.command": "command",
            "spec.*.spec.containers.*.env": "env",
            "spec.*.spec.containers.*.resources": "instance_type: 8xh100",
            "spec.containers.*.image": "image",
            "spec.containers.*.command": "command",
            "spec.containers.*.env": "env",
            "spec.containers.*.resources": "instance_type: 8xh100",
        },
    ),
    ForeignTool(
        "Compose file",
        lambda table: isinstance(table.get("services"), dict),
        {
            "services.*.image": "image",
            "services.*.command": "command",
            "services.*.environment": "env",
            "services.*.ports": "ports",
            "services.*.volumes": "volumes",
            "services.*.deploy": "instance_type: 8xh100",
        },
    ),
    ForeignTool(
        "flow.ir/v1 task",
        lambda table: str(table.get("api_version", "")).startswith("flow.ir/"),
        {
            "resources.gpus": "instance_type: 8xh100",
            "resources.gpu_type": "instance_type: 8xh100",
            "params.env": "env",
            "params.image": "image",
            "params.working_dir": "working_dir",
            "params.retry": "retries",
            "params.time_limit_s": "max_run_time_hours",
            "mounts": "data_mounts",
        },
    ),
    ForeignTool(
        "dstack configuration",
        lambda table: table.get("type") in _DSTACK_TYPES,
        {
            "commands": "command (one text, a line each)",
            "env": "env (a table)",
            "nodes": "num_instances",
            "resources.gpu": "instance_type",
            "working_dir": "working_dir",
            "max_duration": "max_run_time_hours",
        },
    ),
    ForeignTool(
        "SkyPilot task",
        lambda table: "run" in table or isinstance(table.get("resources"), dict) or "file_mounts" in table,
        {
            "run": "command",
            "setup": "command (its first lines)",
            "resources.accelerators": "instance_type",
            "resources.image_id": "image",
            "resources.region": "region",
            "envs": "env",
            "num_nodes": "num_instances",
            "workdir": "code_root",
            "file_mounts": "data_mounts",
        },
    ),
)
_PBS_HINTS = {
    r"-N\s": "name",
    r".*\b(?:ngpus|gpus)=": "instance_type: 8xh100",
    r".*\b(?:select|nodes)=": "num_instances",
    r".*\bwalltime=": "max_run_time_hours",
    r"-v\s": "env",
}


def detect_foreign_table(table: YamlTable, source: str | None) -> ConfigError | None:
    """Returns the error for a table of another tool; None for any other table and for one with flow's `command`."""
    fields: Mapping[Any, Any] = table.fields
    tool = None if "command" in fields and "api_version" not in fields else _find_tool(fields)
    if tool is None:
        return None
    hints = [(line, f"{our_name} for {their_name}") for their_name, line, our_name in _find_hints(tool, table)]
    return _to_config_error(f"is a {tool.name}, which flow does not read", hints, source)


def detect_foreign_text(text: str, source: str | None = None) -> ConfigError | None:
    """Returns the error for a text of another tool: a script with #PBS lines, or YAML of several lines.

    Of several documents, such as in a Kubernetes manifest, the first one decides.
    """
    head = text[:_HEAD]
    if "#PBS" in head and (hints := list(_pbs_hints(head))):
        return _to_config_error("is a PBS script, which flow does not read", [one for one in hints if one[1]], source)
    if "\n" not in head.strip() or not _FOREIGN_START.search(head):
        return None
    try:
        return detect_foreign_table(parse_table(text, source, first_only=True), source)
    except ConfigError:
        return None


def _find_tool(table: Mapping[str, Any]) -> ForeignTool | None:
    return next((tool for tool in _TOOLS if tool.matches(table)), None)


def _find_hints(tool: ForeignTool, table: YamlTable) -> Iterator[tuple[str, int, str]]:
    """Yields (the tool's field, its line, flow's field), each once, in the order of the file."""
    seen: set[str] = set()
    for name, line in sorted(table.lines.items(), key=lambda one: one[1]):
        for pattern, our_name in tool.field_hints.items():
            if our_name not in seen and re.fullmatch(re.escape(pattern).replace(r"\*", r"[^.]+"), name):
                seen.add(our_name)
                shown = name.rpartition(".")[2] if "*" in pattern else name
                yield shown, line, _convert_gpus(table.fields, name) if our_name == "instance_type" else our_name


def _convert_gpus(fields: Any, name: str) -> str:
    """Returns flow's field for the GPUs that a field requests."""
    for part in name.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else None
    if isinstance(fields, list) and fields:
        fields = fields[0]
    if isinstance(fields, dict) and len(fields) == 1:
        fields = ":".join(str(one) for one in next(iter(fields.items())))
    try:
        return f"instance_type: {parse_gpu(fields)}"
    except ConfigError:
        return "instance_type: 8xh100"


def _pbs_hints(text: str) -> Iterator[tuple[int, str]]:
    """Yields a hint for each known option, and "" for each other line."""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _PBS_LINE.match(line):
            our_name = [word for pattern, word in _PBS_HINTS.items() if re.match(pattern, match[1])]
            yield number, f"{' and '.join(our_name)} for {match[1].strip()[:40]!r}" if our_name else ""


def _to_config_error(what: str, hints: list[tuple[int, str]], source: str | None) -> ConfigError:
    hint_text = ", ".join(f"{hint} (line {line})" for line, hint in hints) or "command: and what is to be run"
    message = f"{what}; write {hint_text}"
    first = min((line for line, _ in hints), default=1)
    return ConfigError(message if source else f"this {message}", source=source, line=first)
