"""The text of a startup script: what is asked for as variables, then what every node does with them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shlex
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from flow_core.errors import ConfigError

LONGEST = 10_000
"""Characters that the API takes as a startup script (its documentation)."""
_MARK = "# flow-startup v1"
_MARK_WITHIN = 100
_GZIP = 31  # what zlib calls the format
_MOST_UNPACKED = 4 << 20


@dataclass(frozen=True, slots=True)
class NodeVolume:
    """A volume and where the task wants it. `kind` is the API's word: Block or File."""

    kind: str
    volume_id: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class NodeTask:
    """What a node is to do. `code` is a tar.gz that is unpacked in `working_dir`; with `code_wait_s` the command waits
    that long for code that is sent after the boot. Delays and the limit are seconds; 0 is no limit."""

    name: str
    command: str | Sequence[str]
    working_dir: str = "/workspace"
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str = ""
    nodes: int = 1
    distributed: str = "auto"
    gpu_count: int = 0
    volumes: tuple[NodeVolume, ...] = ()
    attempts: int = 1
    delay_s: float = 0.0
    delay_factor: float = 1.0
    delay_max_s: float = 0.0
    limit_s: int = 0
    code: bytes = field(default=b"", repr=False)
    code_wait_s: int = 0


def startup_script(task: NodeTask) -> str:
    """At most LONGEST characters, packed where it would be longer. Raises ConfigError when even that doesn't fit."""
    plain = f"#!/bin/bash\n{_MARK}\n{_variables(task)}\n{_part('node.sh')}"
    if len(plain) <= LONGEST:
        return plain
    packed = _packed(plain)
    if len(packed) > LONGEST:
        over = len(packed) - LONGEST
        raise ConfigError(
            f"the command, its environment and its code are {over:,} characters more than a startup script may hold; "
            "put what is long into a file of the code, or on a volume",
            field="command",
        )
    return packed


def mounting() -> str:
    """The script that mounts what /var/lib/flow/volumes lists; safe to run again."""
    return _part("volumes.sh")


def is_ours(script: str) -> bool:
    """Whether it writes down when the command begins and how it ends."""
    return _MARK in script[:_MARK_WITHIN]


def command_of(script: str) -> str:
    """The command in a script of ours, as one line; "" for any other script."""
    if not is_ours(script):
        return ""
    try:
        if packed := _value(script, "data"):
            script = _unpacked(base64.b64decode(packed)).decode()
        text = base64.b64decode(_value(script, "COMMAND")).decode()
    except (ValueError, zlib.error):
        return ""
    return text.strip().removeprefix("exec ")


def _unpacked(data: bytes) -> bytes:
    """Of at most so much: others write scripts too, and a few bytes may unpack to more than there is memory."""
    return zlib.decompressobj(wbits=_GZIP).decompress(data, _MOST_UNPACKED)


def _value(script: str, name: str) -> str:
    """What stands behind `name=` at the start of a line. Lists of a thousand scripts ask for it: no regex."""
    start = script.find(f"\n{name}=")
    if start < 0:
        return ""
    start += len(name) + 2
    return script[start : script.find("\n", start)]


def _variables(task: NodeTask) -> str:
    volumes = [f"{one.kind} {one.volume_id} {one.name} {one.target}" for one in task.volumes]
    command = task.command if isinstance(task.command, str) else f"exec {shlex.join(task.command)}"
    env = {"PYTHONUNBUFFERED": "1", "FLOW_TASK_NAME": task.name, **task.env}
    values: dict[str, object] = {
        "COMMAND": _text64(command + "\n"),
        "ENVIRONMENT": _text64("".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())),
        "NAMES": " ".join(env),
        "WORKING_DIR": task.working_dir,
        "IMAGE": task.image,
        "NODES": task.nodes,
        "DISTRIBUTED": task.distributed,
        "GPU_COUNT": task.gpu_count,
        "VOLUMES": "\n".join(volumes),
        "MOUNTING": _text64(mounting()) if volumes else "",
        "ATTEMPTS": task.attempts,
        "DELAY_S": task.delay_s,
        "DELAY_FACTOR": task.delay_factor,
        "DELAY_MAX_S": task.delay_max_s,
        "LIMIT_S": task.limit_s,
        "CODE": base64.b64encode(task.code).decode(),
        "CODE_WAIT_S": task.code_wait_s,
        "KEEP": _text64(_part("keep.sh")),
    }
    return "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items())


def _packed(script: str) -> str:
    """Unpacks itself into a file beside the task's own and runs that, once its sum is right."""
    data = gzip.compress(script.encode(), mtime=0)
    return (
        f"#!/bin/bash\n{_MARK}\n"
        f"data={base64.b64encode(data).decode()}\nsum={hashlib.sha256(script.encode()).hexdigest()}\n"
        'lib="${FLOW_NODE_ROOT:-}/var/lib/flow"\nmkdir -p "$lib"\n'
        '(umask 077; base64 -d <<<"$data" | gzip -d >"$lib/startup.sh")\n'
        'sha256sum -c <<<"$sum  $lib/startup.sh" >/dev/null || exit 1\n'
        'exec bash "$lib/startup.sh"\n'
    )


@cache
def _part(name: str) -> str:
    return files("flow_core.providers.mithril.startup").joinpath(name).read_text(encoding="utf-8")


def _text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
