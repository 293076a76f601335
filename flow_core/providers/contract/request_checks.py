"""Checks of requests that providers share: names of tasks, limits of processes and volumes, numbers of ports."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig, VolumeSpec

_WORD_MAX = 127 << 10  # Linux: 128 KiB for an argument or a variable with its name and a NUL
_TOTAL_MAX = 768 << 10  # macOS: 1 MiB in all, with flow's variables and those of the user
_MAX_GB = 16384
_LONGEST_NAME = 128
_HAS_SUFFIX = re.compile(r".*-[0-9a-f]{6}")


def build_task_name(config: TaskConfig) -> str:
    """Returns the name of the task, with a unique suffix if the config requests one."""
    if not config.unique_name or _HAS_SUFFIX.fullmatch(config.name):
        return config.name
    suffix = f"-{secrets.token_hex(3)}"
    return config.name[: _LONGEST_NAME - len(suffix)] + suffix


def check_argument_sizes(config: TaskConfig) -> None:
    """Checks that a process can be started with the command and the environment. Raises ConfigError.

    The system refuses them only when the command is started, which is too late to report the field.
    """
    words = [config.command] if isinstance(config.command, str) else config.command
    check_word_sizes(words, config.env)
    if sum(map(len, words)) + sum(map(len, config.env.values())) > _TOTAL_MAX:
        raise ConfigError(f"command: it and env are longer than {_TOTAL_MAX >> 10} KiB together", field="command")


def check_word_sizes(words: Sequence[str], env: Mapping[str, str]) -> None:
    """Checks the length of each argument and of each variable. Raises ConfigError."""
    if any(len(os.fsencode(word)) > _WORD_MAX for word in words):
        raise ConfigError(
            f"command: an argument is longer than {_WORD_MAX >> 10} KiB; put it in a file", field="command"
        )
    for name, value in env.items():
        if len(os.fsencode(value)) + len(name) > _WORD_MAX:
            raise ConfigError(f"env: {name[:80]} is longer than {_WORD_MAX >> 10} KiB; put it in a file", field="env")


def check_port(port: int, field: str, *, minimum: int) -> None:
    """Checks that a port is from `minimum` to 65535. Raises ConfigError."""
    if not minimum <= port < 1 << 16:
        raise ConfigError(f"{field}: must be a port number, {minimum} to 65535, not {port}", field=field)


def check_new_volume(size_gb: object, name: str | None, interface: object) -> None:
    """Checks the size, name and interface of a new volume. Raises ConfigError."""
    if isinstance(size_gb, bool) or not isinstance(size_gb, int) or not 1 <= size_gb <= _MAX_GB:
        raise ConfigError(f"size_gb: must be a whole number from 1 to {_MAX_GB}", field="size_gb")
    if interface not in ("block", "file"):
        raise ConfigError("interface: must be block or file", field="interface")
    if name is not None:
        parse_volume_spec({"name": name})


def parse_volume_spec(fields: dict[str, Any]) -> VolumeSpec:
    """Parses a VolumeSpec. Raises ConfigError."""
    from flow_core.models.task_config import VolumeSpec  # lazy import: loads pydantic, which lists don't need

    return VolumeSpec.parse(fields)
