"""Builds the text of a startup script: the request as variables, then the part that is the same for every node."""

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
"""The most characters that the API accepts as a startup script (its documentation)."""
_MARK = "# flow-startup v1"
_MARK_CHARACTERS = 100
_GZIP = 31  # zlib's number for the format
_UNPACKED_BYTES_MAX = 4 << 20


@dataclass(frozen=True, slots=True)
class NodeVolume:
    """A volume and its mount path in the task. `kind` is the API's word: Block or File."""

    kind: str
    volume_id: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class NodeTask:
    """The task of a node.

    `code` is a tar.gz that is unpacked in `working_dir`. With `code_wait_s`, the command waits that long for code that
    is sent after the boot. Delays and the limit are seconds; a limit of 0 is none.
    """

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


def build_startup_script(task: NodeTask) -> str:
    """Returns the script, compressed if it would exceed LONGEST characters.

    Raises ConfigError if it is still too long.
    """
    plain = f"#!/bin/bash\n{_MARK}\n{_build_variables(task)}\n{_read_part('node.sh')}"
    if len(plain) <= LONGEST:
        return plain
    packed = _build_unpacking_script(plain)
    if len(packed) > LONGEST:
        over = len(packed) - LONGEST
        raise ConfigError(
            f"the command, its environment and its code are {over:,} characters more than a startup script may hold; "
            "put what is long into a file of the code, or on a volume",
            field="command",
        )
    return packed


def read_mount_script() -> str:
    """Returns the script that mounts the volumes listed in /var/lib/flow/volumes. Running it again is safe."""
    return _read_part("volumes.sh")


def is_flow_script(script: str) -> bool:
    """Returns whether flow wrote the script, which then stores the start and the exit status of the command."""
    return _MARK in script[:_MARK_CHARACTERS]


def parse_command(script: str) -> str:
    """Returns the command in a script of flow, as one line; "" for any other script."""
    if not is_flow_script(script):
        return ""
    try:
        if packed := _read_variable(script, "data", _MARK_CHARACTERS):
            script = _unpack(base64.b64decode(packed)).decode()
        text = base64.b64decode(_read_variable(script, "COMMAND")).decode()
    except (ValueError, zlib.error):
        return ""
    return text.strip().removeprefix("exec ")


def _unpack(data: bytes) -> bytes:
    """Unpacks gzip data, up to `_UNPACKED_BYTES_MAX`: a foreign script may expand to more than fits in memory."""
    return zlib.decompressobj(wbits=_GZIP).decompress(data, _UNPACKED_BYTES_MAX)


def _read_variable(script: str, name: str, characters: int | None = None) -> str:
    """Returns the value of `name=` at the start of a line; with `characters`, of a line that begins within that many.

    Uses no regex, since lists have a thousand scripts.
    """
    start = script.find(f"\n{name}=", 0, characters)
    if start < 0:
        return ""
    start += len(name) + 2
    return script[start : script.find("\n", start)]


def _build_variables(task: NodeTask) -> str:
    volumes = [f"{volume.kind} {volume.volume_id} {volume.name} {volume.target}" for volume in task.volumes]
    command = task.command if isinstance(task.command, str) else f"exec {shlex.join(task.command)}"
    env = {"PYTHONUNBUFFERED": "1", "FLOW_TASK_NAME": task.name, **task.env}
    values: dict[str, object] = {
        "COMMAND": _encode(command + "\n"),
        "ENVIRONMENT": _encode("".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())),
        "NAMES": " ".join(env),
        "WORKING_DIR": task.working_dir,
        "IMAGE": task.image,
        "NODES": task.nodes,
        "DISTRIBUTED": task.distributed,
        "GPU_COUNT": task.gpu_count,
        "VOLUMES": "\n".join(volumes),
        "MOUNTING": _encode(read_mount_script()) if volumes else "",
        "ATTEMPTS": task.attempts,
        "DELAY_S": task.delay_s,
        "DELAY_FACTOR": task.delay_factor,
        "DELAY_MAX_S": task.delay_max_s,
        "LIMIT_S": task.limit_s,
        "CODE": base64.b64encode(task.code).decode(),
        "CODE_WAIT_S": task.code_wait_s,
        "RUN_TASK": _encode(_read_part("run_task.sh")),
    }
    return "\n".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items())


def _build_unpacking_script(script: str) -> str:
    """Returns a script that unpacks the real one into a file beside the task's own, checks its sum and runs it."""
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
def _read_part(name: str) -> str:
    return files("flow_core.providers.mithril.startup").joinpath(name).read_text(encoding="utf-8")


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
