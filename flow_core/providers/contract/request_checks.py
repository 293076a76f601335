"""Checks of a request that all providers share: the name of a task, and what no process and no volume can be."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig, VolumeSpec

_WORD_MAX = 127 << 10  # Linux takes 128 KiB an argument or variable, its name and a NUL included
_TOTAL_MAX = 768 << 10  # macOS takes 1 MiB in all, our own variables and those of the user included
_MAX_GB = 16384
_LONGEST_NAME = 128
_HAS_SUFFIX = re.compile(r".*-[0-9a-f]{6}")


def task_name(config: TaskConfig) -> str:
    """The name, made unique where asked for."""
    if not config.unique_name or _HAS_SUFFIX.fullmatch(config.name):
        return config.name
    suffix = f"-{secrets.token_hex(3)}"
    return config.name[: _LONGEST_NAME - len(suffix)] + suffix


def check_argument_sizes(config: TaskConfig) -> None:
    """Raises ConfigError for a command and an environment that no process can be given.

    The system refuses them only when the command is started, and then it is too late to report the field.
    """
    words = [config.command] if isinstance(config.command, str) else config.command
    check_word_sizes(words, config.env)
    if sum(map(len, words)) + sum(map(len, config.env.values())) > _TOTAL_MAX:
        raise ConfigError(f"command: it and env are longer than {_TOTAL_MAX >> 10} KiB together", field="command")


def check_word_sizes(words: Sequence[str], env: Mapping[str, str]) -> None:
    """Raises ConfigError for an argument or a variable that is too long by itself."""
    if any(len(os.fsencode(word)) > _WORD_MAX for word in words):
        raise ConfigError(
            f"command: an argument is longer than {_WORD_MAX >> 10} KiB; put it in a file", field="command"
        )
    for name, value in env.items():
        if len(os.fsencode(value)) + len(name) > _WORD_MAX:
            raise ConfigError(f"env: {name[:80]} is longer than {_WORD_MAX >> 10} KiB; put it in a file", field="env")


def check_new_volume(size_gb: object, name: str | None, interface: object) -> None:
    """Raises ConfigError for what no volume can be."""
    if isinstance(size_gb, bool) or not isinstance(size_gb, int) or not 1 <= size_gb <= _MAX_GB:
        raise ConfigError(f"size_gb: must be a whole number from 1 to {_MAX_GB}", field="size_gb")
    if interface not in ("block", "file"):
        raise ConfigError("interface: must be block or file", field="interface")
    if name is not None:
        volume_spec({"name": name})


def volume_spec(fields: dict[str, Any]) -> VolumeSpec:
    """Raises ConfigError."""
    from flow_core.models.task_config import VolumeSpec  # deferred: listing must not pay for pydantic

    return VolumeSpec.parse(fields)
