"""Builds the batch script that runs the command of a task on each node."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from flow_core.agent.containers.arguments import build_container_argv
from flow_core.providers.slurm.submit.environment import build_source_line, build_variable_lines, quote
from flow_core.providers.slurm.submit.images import ImageLaunch
from flow_core.providers.slurm.submit.sbatch_options import format_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_core.models.retries import Retries

_SINGLE = """\
  rank=0
  (start_command) >>"$log" 2>&1 </dev/null
  code=$?
"""
_SEVERAL = """\
  head=$(find_head) port=$(find_port)
  failed=$folder/failed${index:+-$index} messages=$folder/srun${index:+-$index}.log
  : >"$messages"
  umask "$mask"
  command srun --nodes=@RANKS@ --ntasks=@RANKS@ --ntasks-per-node=1 --kill-on-bad-exit=1 --wait=0 --export=ALL \\
    ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"}@OPTIONS@ \\
    sh "$run/script.sh" rank "$run" "@LOG@" "$failed" "$head" "$port" </dev/null@OUTPUT@ 2>>"$messages"
  code=$?
  umask 077
  cat "$messages" >&2
  [ ! -s "$failed/code" ] || read -r code <"$failed/code"
  [ $code -eq 0 ] || [ -s "$log" ] || cat "$messages" >>"$log"
"""
_PREPARED = """\
  if prepare_image >>"$log" 2>&1 </dev/null; then
@LAUNCH@
  else
    code=$?
  fi
"""
_RETRY = """\
for delay in @DELAYS@; do
  [ $code -ne 0 ] && [ -z "$stopped" ] || break
  sleep "$delay"
  [ -z "$stopped" ] || break
  run_attempt
done
"""


_NAME = re.compile(r"@([A-Z]+)@(\n?)")


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """What the script does. `run`, `root` and `directory` are words for sh; `directory` is where the command starts.

    `options` are the #SBATCH lines by name. `variables` describe a rank, as words for sh. With `launch`, the command
    runs in an image.
    """

    run: str
    root: str
    directory: str
    command: str | Sequence[str]
    options: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    ranks: int = 1
    is_array: bool = False
    has_env: bool = False
    retries: Retries | None = None
    launch: ImageLaunch | None = None


def build_script(request: ScriptRequest) -> str:
    """Returns the whole script. It contains no value of a variable of the task."""
    options = [f"#SBATCH {format_option(name, value)}" for name, value in request.options.items()]
    parts = {
        "RUN": request.run,
        "ROOT": request.root,
        "RANKS": str(request.ranks),
        "VARIABLES": build_variable_lines(request.variables),
        "COMMAND": _build_command(request),
        "ENVIRONMENT": build_source_line(request.has_env),
        "DIRECTORY": request.directory,
        "SRUN": _read_template("ranks.sh") if _needs_srun(request) else "",
        "PREPARATION": _build_preparation(request.launch),
        "LAUNCH": _build_launch(request),
        "RETRIES": _build_retries(request.retries),
    }
    return "\n".join(["#!/bin/sh", *options, "", _fill(_read_template("job.sh"), parts)])


def _read_template(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")


def _fill(text: str, parts: Mapping[str, str]) -> str:
    """Replaces each @NAME@ once, so that a command may contain such a word.

    A line that consists of a name only is left out if its part is empty.
    """

    def replace(found: re.Match[str]) -> str:
        part = parts[found[1]]
        return part if not part or not found[2] or part.endswith("\n") else f"{part}\n"

    return _NAME.sub(replace, text)


def _build_command(request: ScriptRequest) -> str:
    """Returns the line that executes the command: a list as it is, a text in bash, or in sh if there is no bash."""
    launch = request.launch
    if launch is not None:
        words = " ".join(map(quote, build_container_argv(request.command)))
        return f"{_indent(launch.export)}  exec {launch.prefix}{' ' if launch.prefix else ''}{words}"
    if isinstance(request.command, str):
        return f"  shell=/bin/sh\n  [ ! -x /bin/bash ] || shell=/bin/bash\n  exec $shell -c {quote(request.command)}"
    return "  exec " + " ".join(map(quote, request.command))


def _build_preparation(launch: ImageLaunch | None) -> str:
    if launch is None or not launch.prepare:
        return ""
    return f"prepare_image() {{\n{_indent(launch.prepare)}}}\n\n"


def _needs_srun(request: ScriptRequest) -> bool:
    return request.ranks > 1 or (request.launch is not None and bool(request.launch.srun))


def _build_launch(request: ScriptRequest) -> str:
    launch = _SINGLE
    options = "" if request.launch is None else request.launch.srun
    if _needs_srun(request):
        # Nodes that share a file system can't append to one file, so srun collects what the ranks of an element write.
        is_collected = request.is_array and request.ranks > 1
        parts = {
            "RANKS": str(request.ranks),
            "LOG": "" if is_collected else "$log" if request.ranks == 1 else "$folder/rank-",
            "OUTPUT": ' >>"$log"' if is_collected else "",
            "OPTIONS": (" --label" if is_collected else "") + (options and f" {options}"),
        }
        launch = _fill(_SEVERAL, parts)
    if request.launch is not None and request.launch.prepare:
        return _fill(_PREPARED, {"LAUNCH": _indent(launch)})
    return launch


def _build_retries(retries: Retries | None) -> str:
    if retries is None or not retries.max_retries:
        return ""
    factor = 2.0 if retries.mode == "exponential" else 1.0
    delays = [min(retries.delay_s * factor**number, retries.max_delay_s) for number in range(retries.max_retries)]
    return _fill(_RETRY, {"DELAYS": " ".join(str(math.ceil(delay)) for delay in delays)})


def _indent(lines: str) -> str:
    return "".join(f"  {line}\n" for line in lines.splitlines())
