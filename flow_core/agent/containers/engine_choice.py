"""Which of podman and docker runs containers on this machine, found out at submit."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.containers.engine import ENGINES, STEERING, ContainerEngine, EngineError
from flow_core.agent.machine import user_name
from flow_core.agent.refusals import Refused

NO_ENGINE = "no_engine"
_DEADLINE_S = 5.0
_KEPT_S = 10.0
_NO_LIMIT = "--pids-limit=-1"  # on threads: podman allows 2048, which data loaders on a large machine exceed
_PODMAN_INITS = tuple(
    f"{prefix}/{folder}/podman/catatonit" for prefix in ("/usr", "/usr/local") for folder in ("libexec", "lib")
)


class EngineChoice(NamedTuple):
    """An engine, and what it has every container know where an image doesn't know the user."""

    engine: ContainerEngine
    defaults: dict[str, str]


_lock = threading.Lock()
_known: dict[tuple[str | None, ...], tuple[float, EngineChoice]] = {}


def choose_engine(wanted: str | None = None) -> EngineChoice:
    """The one of ENGINES that is wanted, else podman, else docker. May take seconds, but answers for the next few.

    Refuses with NO_ENGINE where there is none.
    """
    key = (wanted, os.environ.get("PATH"), *(os.environ.get(name) for name in STEERING))
    with _lock:
        since, choice = _known.get(key, (0.0, None))
        if choice is None or time.monotonic() - since > _KEPT_S:
            choice = _look([wanted] if wanted else ENGINES)
            _known.clear()
            _known[key] = time.monotonic(), choice
    return choice


def likely_engine(wanted: Any = None) -> ContainerEngine:
    """The one that would be chosen, as far as PATH tells; for showing a command without waiting."""
    names = [wanted] if wanted in ENGINES else ENGINES
    name = next((name for name in names if shutil.which(name)), names[0])
    return ContainerEngine(name, name, tuple(_podman_options() if name == "podman" else _docker_options("")), {})


def _look(names: Sequence[str]) -> EngineChoice:
    missing = []
    for name in names:
        path = shutil.which(name)
        if path is None:
            missing.append(f"{name} is not on PATH")
        elif name == "podman":
            return _choice(name, path, _podman_options())
        else:
            try:
                return _choice(name, path, _docker_options(_ask_docker(path)))
            except EngineError as error:
                missing.append(f"{path} has no engine ({error})")
    raise Refused(NO_ENGINE, missing=missing)


def _choice(name: str, path: str, options: list[str]) -> EngineChoice:
    env = {variable: os.environ[variable] for variable in STEERING if variable in os.environ}
    is_foreign = any(option.startswith(("--user=", "--userns=")) for option in options)
    return EngineChoice(ContainerEngine(name, path, tuple(options), env), _user_defaults() if is_foreign else {})


def _podman_options() -> list[str]:
    """podman without root maps the user to itself, so that what is written to mounts is the user's."""
    options = ["--init"] if _has_podman_init() else []
    if os.geteuid() == 0:
        return [*options, _NO_LIMIT]
    # On a system with the first version of cgroups, where no such limit is set, podman would complain into every log.
    return [*options, "--userns=keep-id", *([_NO_LIMIT] if Path("/sys/fs/cgroup/cgroup.controllers").exists() else [])]


def _docker_options(security: str) -> list[str]:
    """docker's root would write as root; where docker itself runs as the user, its root is the user."""
    if os.geteuid() == 0 or "name=rootless" in security or sys.platform == "darwin":
        return ["--init", _NO_LIMIT]
    return ["--init", _NO_LIMIT, f"--user={os.geteuid()}:{os.getegid()}"]


def _has_podman_init() -> bool:
    """Debian keeps it in a package of its own; podman's machine on macOS has it."""
    if sys.platform == "darwin" or shutil.which("catatonit"):
        return True
    return any(Path(path).exists() for path in _PODMAN_INITS)


def _ask_docker(path: str) -> str:
    """Raises EngineError where no engine of this machine answers."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise EngineError("DOCKER_HOST points to another machine")
    engine = ContainerEngine("docker", path, (), {name: os.environ[name] for name in STEERING if name in os.environ})
    return engine.ask("info", "--format", "{{json .SecurityOptions}}", deadline_s=_DEADLINE_S)


def _user_defaults() -> dict[str, str]:
    """An image knows nobody of our number: its programs would look for a home in / and for a name in vain."""
    return {"HOME": "/tmp", "USER": user_name(), "LOGNAME": user_name()}
