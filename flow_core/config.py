"""Contexts (a name, a provider, settings), the rest of the configuration, and the directories of the user."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow_core.errors import ConfigError, printable
from flow_core.user_folders import find_config_folder, find_state_folder

DEFAULT_CONTEXT = "local"
"""The context that is used if no other one is named. It always exists."""
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "a context's name is up to 64 letters, digits, '.', '_' and '-'"
_SHOWN = 70


@dataclass(frozen=True, slots=True)
class Context:
    """A provider with its settings, under the name that the user gave it."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    def __post_init__(self) -> None:
        """Checks the name, which becomes part of paths. Raises ConfigError."""
        if not is_context_name(self.name):
            raise ConfigError(f"name: {NAME_RULE}", field="name")
        if not isinstance(self.provider, str):
            raise ConfigError(f"provider: must be text, not {type(self.provider).__name__}", field="provider")
        if not isinstance(self.settings, Mapping):
            raise ConfigError(f"settings: must be a table, not {type(self.settings).__name__}", field="settings")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `problems` are sentences for the user, one for each part that can't be used.

    `lines` maps dotted names of the file ("dashboard.theme") to line numbers from 1.
    """

    path: Path
    contexts: tuple[Context, ...]
    default: str = DEFAULT_CONTEXT
    dashboard: Mapping[str, Any] = field(default_factory=dict, hash=False)
    problems: tuple[ConfigError, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, hash=False, repr=False)

    def problem(self, where: str, reason: str) -> ConfigError:
        """Returns the error for the part `where`, a dotted name, with the file and the line of that part."""
        return problem_at(self.path, self.lines, where, reason)

    def context(self, name: str | None = None) -> Context:
        """Returns the named context; without a name, that of `$FLOW_CONTEXT`, otherwise the file's default.

        Raises ConfigError.
        """
        requested = name or os.environ.get("FLOW_CONTEXT") or self.default
        for context in self.contexts:
            if context.name == requested:
                return context
        known = ", ".join(context.name for context in self.contexts)
        raise ConfigError(f"no context is called {requested[:_SHOWN]!r}; there are: {known}", field="context")


def config_path() -> Path:
    """Returns the path of the config file: `$FLOW_CONFIG`, otherwise a file in the platform's config directory."""
    if explicit := os.environ.get("FLOW_CONFIG"):
        return Path(os.path.expanduser(explicit))
    return Path(find_config_folder(os.environ)) / "config.yaml"


def state_dir() -> Path:
    """Returns the directory of tasks, volumes and flow's records: `$FLOW_STATE_DIR`, otherwise the platform's."""
    return Path(find_state_folder(os.environ))


def is_context_name(name: object) -> bool:
    """Returns whether a context may have this name, which becomes part of paths."""
    return isinstance(name, str) and _CONTEXT_NAME.fullmatch(name) is not None


def problem_at(source: Path, lines: Mapping[str, int], where: str, reason: str) -> ConfigError:
    """Returns the error for the part `where` of a file, a dotted name, with the line of that part."""
    line = lines.get(where) or lines.get(where.rpartition(".")[0])
    message = f"{printable(where)}: {reason}" if where else reason
    return ConfigError(message, field=where or None, source=str(source), line=line)
