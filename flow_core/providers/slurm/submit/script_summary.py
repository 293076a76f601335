"""Summarizes what a script with #SBATCH lines requests, for the form in which a task is submitted."""

from __future__ import annotations

from flow_core.errors import ConfigError, printable
from flow_core.models.scheduling import ScriptSummary
from flow_core.providers.slurm.submit.batch_script import BatchScript, find_script, parse_batch_script

_OTHERS = ("account", "qos", "constraint", "cpus-per-task", "mem", "dependency", "begin", "reservation", "chdir")


def summarize_script(command: str) -> ScriptSummary | None:
    """Returns what the script of a command requests; None if the command is or names no script.

    Makes no request; it may read a file, so call it in a thread.
    """
    try:
        found = find_script(command)
    except ConfigError as error:
        return ScriptSummary((), (error.reason,))
    if found is None:
        return None
    script = parse_batch_script(found.text.decode("utf-8", "replace"), found.options)
    return ScriptSummary(tuple(_list_lines(script)), script.problems)


def _list_lines(script: BatchScript) -> list[tuple[str, str]]:
    """Returns labels and values; leaves out what the script does not request."""
    nodes = script.options.get("nodes", "")
    lines = [
        ("name", script.name),
        ("partition", script.partition),
        ("nodes", nodes),
        ("GPUs", _describe_gpus(script)),
        ("time limit", script.time_limit),
        ("array", script.array),
        *((name, script.options.get(name, "")) for name in _OTHERS),
        ("output", script.output),
        ("error", script.error),
    ]
    return [(label, printable(value)) for label, value in lines if value]


def _describe_gpus(script: BatchScript) -> str:
    if script.gpus is None:
        return ""
    return f"{script.gpus} x {script.gpu_type}" if script.gpu_type else str(script.gpus)
