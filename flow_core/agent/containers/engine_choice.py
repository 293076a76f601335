"""Chooses podman or docker for the containers of this machine, at submit."""

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
from flow_core.agent.machine_id import get_user_name
from flow_core.agent.refusals import Refused

NO_ENGINE = "no_engine"
_DEADLINE_S = 5.0
_CACHE_S = 10.0
_NO_LIMIT = "--pids-limit=-1"  # the limit on threads: podman allows 2048, which data loaders on a large machine exceed
_PODMAN_INITS = tuple(
    f"{prefix}/{folder}/podman/catatonit" for prefix in ("/usr", "/usr/local") for folder in ("libexec", "lib")
)


class EngineChoice(NamedTuple):
    """An engine, and the default variables for an image that doesn't know the user."""

    engine: ContainerEngine
    defaults: dict[str, str]


_lock = threading.Lock()
_cache: dict[tuple[str | None, ...], tuple[float, EngineChoice]] = {}


def choose_engine(requested: str | None = None) -> EngineChoice:
    """Returns the requested engine of ENGINES, otherwise podman, otherwise docker. May take seconds; cached for 10 s.

    Refuses with NO_ENGINE if there is none.
    """
    key = (requested, os.environ.get("PATH"), *(os.environ.get(name) for name in STEERING))
    with _lock:
        since, choice = _cache.get(key, (0.0, None))
        if choice is None or time.monotonic() - since > _CACHE_S:
            choice = _find_engine([requested] if requested else ENGINES)
            _cache.clear()
            _cache[key] = time.monotonic(), choice
    return choice


def guess_engine(requested: Any = None) -> ContainerEngine:
    """Returns the likely engine, by PATH; used to show a command without a wait."""
    names = [requested] if requested in ENGINES else ENGINES
    name = next((name for name in names if shutil.which(name)), names[0])
    return ContainerEngine(name, name, tuple(_podman_options() if name == "podman" else _docker_options("")), {})


def _find_engine(names: Sequence[str]) -> EngineChoice:
    missing = []
    for name in names:
        path = shutil.which(name)
        if path is None:
            missing.append(f"{name} is not on PATH")
        elif name == "podman":
            return _make_choice(name, path, _podman_options())
        else:
            try:
                return _make_choice(name, path, _docker_options(_ask_docker(path)))
            except EngineError as error:
                missing.append(f"{path} has no engine ({error})")
    raise Refused(NO_ENGINE, missing=missing)


def _make_choice(name: str, path: str, options: list[str]) -> EngineChoice:
    env = {variable: os.environ[variable] for variable in STEERING if variable in os.environ}
    is_foreign = any(option.startswith(("--user=", "--userns=")) for option in options)
    return EngineChoice(ContainerEngine(name, path, tuple(options), env), _user_defaults() if is_foreign else {})


def _podman_options() -> list[str]:
    """Returns podman's options.

    Without root, podman maps the user to itself, so that files written to mounts belong to the user.
    """
    options = ["--init"] if _has_podman_init() else []
    if os.geteuid() == 0:
        return [*options, _NO_LIMIT]
    # With cgroups v1 there is no such limit, and podman would print a warning into every log.
    return [*options, "--userns=keep-id", *([_NO_LIMIT] if Path("/sys/fs/cgroup/cgroup.controllers").exists() else [])]


def _docker_options(security: str) -> list[str]:
    """Returns docker's options: a container runs as the user; with rootless docker the container's root is the user."""
    if os.geteuid() == 0 or "name=rootless" in security or sys.platform == "darwin":
        return ["--init", _NO_LIMIT]
    return ["--init", _NO_LIMIT, f"--user={os.geteuid()}:{os.getegid()}"]


def _has_podman_init() -> bool:
    """Returns whether podman has an init. Debian has it in a separate package; podman's machine on macOS has one."""
    if sys.platform == "darwin" or shutil.which("catatonit"):
        return True
    return any(Path(path).exists() for path in _PODMAN_INITS)


def _ask_docker(path: str) -> str:
    """Returns docker's security options. Raises EngineError if no engine on this machine responds."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise EngineError("DOCKER_HOST points to another machine")
    engine = ContainerEngine("docker", path, (), {name: os.environ[name] for name in STEERING if name in os.environ})
    return engine.ask("info", "--format", "{{json .SecurityOptions}}", deadline_s=_DEADLINE_S)


def _user_defaults() -> dict[str, str]:
    """Returns variables for an image that doesn't know the user's uid.

    Without them its programs would use / as the home directory and find no user name.
    """
    return {"HOME": "/tmp", "USER": get_user_name(), "LOGNAME": get_user_name()}
