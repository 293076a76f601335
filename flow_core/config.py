"""File and environment -> contexts: which providers there are, under which names, with which settings.

    default: local
    contexts:
      lab: {provider: local, region: lab}
    dashboard: {theme: flow-dark, read_only: false, keys: {tasks.cancel: x}, shell_release: ctrl+g}

Reads one file, touches no network. A broken part is a sentence in `Config.problems`; the sound rest stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow_core.agent.regular_files import read_regular_file
from flow_core.errors import ConfigError, printable

LOCAL = "local"
CLOUD = "mithril"
_CONTEXT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_RULE = "a context's name is up to 64 letters, digits, '.', '_' and '-'"
_SHOWN = 70
_CONFIG_BYTES_MAX = 256 << 10


@dataclass(frozen=True, slots=True)
class Context:
    """A provider with its settings, under the name the user gave it."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    def __post_init__(self) -> None:
        """A name stands in paths. Raises ConfigError."""
        if not isinstance(self.name, str) or not _CONTEXT_NAME.fullmatch(self.name):
            raise ConfigError(f"name: {_NAME_RULE}", field="name")
        if not isinstance(self.provider, str):
            raise ConfigError(f"provider: must be text, not {type(self.provider).__name__}", field="provider")
        if not isinstance(self.settings, Mapping):
            raise ConfigError(f"settings: must be a table, not {type(self.settings).__name__}", field="settings")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured. `problems` are sentences for the user, one a broken part.

    `lines` maps dotted names of the file ("dashboard.theme") to line numbers from 1.
    """

    path: Path
    contexts: tuple[Context, ...]
    default: str = LOCAL
    dashboard: Mapping[str, Any] = field(default_factory=dict, hash=False)
    problems: tuple[ConfigError, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict, hash=False, repr=False)

    def problem(self, where: str, reason: str) -> ConfigError:
        """The error for the part `where`, a dotted name, with the file and the line of that part."""
        return _problem(self.path, self.lines, where, reason)

    def context(self, name: str | None = None) -> Context:
        """The named context, else `$FLOW_CONTEXT`, else the file's default. Raises ConfigError."""
        wanted = name or os.environ.get("FLOW_CONTEXT") or self.default
        for context in self.contexts:
            if context.name == wanted:
                return context
        known = ", ".join(context.name for context in self.contexts)
        raise ConfigError(f"no context is called {wanted[:_SHOWN]!r}; there are: {known}", field="context")


def config_path() -> Path:
    """Where the config file is looked for: `$FLOW_CONFIG`, else the platform's config directory."""
    if explicit := os.environ.get("FLOW_CONFIG"):
        return Path(os.path.expanduser(explicit))
    import platformdirs  # deferred: not needed when $FLOW_CONFIG says where

    return Path(platformdirs.user_config_dir("flow", appauthor=False)) / "config.yaml"


def state_dir() -> Path:
    """Where tasks, volumes and our own records live: `$FLOW_STATE_DIR`, else the platform's state directory."""
    if explicit := os.environ.get("FLOW_STATE_DIR"):
        return Path(os.path.expanduser(explicit))
    import platformdirs  # deferred: as above

    return Path(platformdirs.user_state_dir("flow", appauthor=False))


def load_config(path: Path | None = None) -> Config:
    """Reads the config. A missing file is an empty one, unless `path` or `$FLOW_CONFIG` named it.

    A MITHRIL_API_KEY in the environment is a context `mithril`, unless the file has one. It spends money, so it is
    never the default by itself.
    """
    named = path is not None or bool(os.environ.get("FLOW_CONFIG"))
    source = path or config_path()
    try:
        text = read_regular_file(source, _CONFIG_BYTES_MAX).decode("utf-8")
    except FileNotFoundError:
        missing = (ConfigError("the config file does not exist", source=str(source)),) if named else ()
        return _only_local(source, missing)
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path that can't be one
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        return _only_local(source, (ConfigError(f"can't be read: {reason}", source=str(source)),))
    return _Reader(source, text).read()


def _only_local(source: Path, problems: tuple[ConfigError, ...]) -> Config:
    return Config(source, tuple(_given().values()), problems=problems)


def _given() -> dict[str, Context]:
    """The contexts that are there without being written down."""
    names = (LOCAL, CLOUD) if os.environ.get("MITHRIL_API_KEY", "").strip() else (LOCAL,)
    return {name: Context(name, name) for name in names}


class _Reader:
    """Turns the file's text into a Config, collecting a problem for each part that can't be used."""

    def __init__(self, source: Path, text: str) -> None:
        self._source = source
        self._text = text
        self._problems: list[ConfigError] = []
        self._lines: Mapping[str, int] = {}

    def read(self) -> Config:
        document = self._document()
        contexts = self._contexts(document.get("contexts"))
        for unknown in sorted(set(document) - {"default", "contexts", "dashboard"}, key=str):
            self._complain(str(unknown), "is no setting we know; known are: default, contexts, dashboard")
        return Config(
            self._source,
            contexts,
            default=self._default(document.get("default"), contexts),
            dashboard=self._table("dashboard", document.get("dashboard")),
            problems=tuple(self._problems),
            lines=self._lines,
        )

    def _document(self) -> dict[Any, Any]:
        from flow_core.models.yaml_file import parse_table  # deferred: a machine without a config file doesn't need it

        try:
            fields, self._lines = parse_table(self._text, str(self._source))
        except ConfigError as problem:
            self._problems.append(problem)
            return {}
        return fields

    def _contexts(self, value: Any) -> tuple[Context, ...]:
        found = _given()
        for name, settings in self._table("contexts", value).items():
            if context := self._context(str(name), settings):
                found[context.name] = context
        return tuple(found.values())

    def _context(self, name: str, settings: Any) -> Context | None:
        where = f"contexts.{name}"
        if not _CONTEXT_NAME.fullmatch(name):
            self._complain(where, _NAME_RULE)
            return None
        if not isinstance(settings, dict):
            self._complain(where, "must be a table with at least a provider")
            return None
        from flow_core.providers import PROVIDERS  # deferred: names only, and only where a file lists contexts

        provider = settings.get("provider", LOCAL if name == LOCAL else None)
        if not isinstance(provider, str) or provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            self._complain(f"{where}.provider", f"{printable(repr(provider))} is no provider; known are: {known}")
            return None
        if name == LOCAL and provider != LOCAL:
            self._complain(f"{where}.provider", "the context 'local' is always this machine")
            return None
        rest = {str(key): value for key, value in settings.items() if key != "provider"}
        if provider == "hosts" and "hosts" in rest:
            rest["hosts"] = self._machines(f"{where}.hosts", rest["hosts"])
            if rest["hosts"] is None:
                return None
        if provider in ("hosts", CLOUD):
            self._check_login_timeout(where, rest)
        if provider == LOCAL:
            self._check_prune_after_days(where, rest)
        return Context(name, provider, rest)

    def _check_login_timeout(self, where: str, settings: dict[str, Any]) -> None:
        """Leaves out a limit that can't be used, so that the context works with the usual one."""
        from flow_core.providers.over_ssh.login_limit import LOGIN_TIMEOUT, login_timeout_of  # deferred: as above

        try:
            login_timeout_of(settings)
        except ConfigError as error:
            self._complain(f"{where}.{LOGIN_TIMEOUT}", error.message.partition(": ")[2])
            del settings[LOGIN_TIMEOUT]

    def _check_prune_after_days(self, where: str, settings: dict[str, Any]) -> None:
        """Leaves out an age that can't be used, so that nothing is pruned by a setting that was meant otherwise."""
        from flow_core.providers.pruning import PRUNE_AFTER_DAYS, prune_after_days_of  # deferred: as above

        try:
            prune_after_days_of(settings)
        except ConfigError as error:
            self._complain(f"{where}.{PRUNE_AFTER_DAYS}", error.message.partition(": ")[2])
            del settings[PRUNE_AFTER_DAYS]

    def _machines(self, where: str, listed: Any) -> Any:
        """Those that can be used; None where there is not one of those that are listed."""
        from flow_core.providers.hosts.machines import problem_of  # deferred: only where a file lists machines

        if not isinstance(listed, list) or not listed:
            return listed
        sound: list[Any] = []
        for number, said in enumerate(listed):
            if problem := problem_of(said):
                entry = f"{where}.{number}" + (f".{problem.field}" if isinstance(said, dict) else "")
                self._complain(entry, problem.message.partition(": ")[2])
            else:
                sound.append(said)
        return sound or None

    def _default(self, value: Any, contexts: tuple[Context, ...]) -> str:
        if value is None:
            return LOCAL
        if str(value) in [context.name for context in contexts]:
            return str(value)
        self._complain("default", f"{printable(repr(value))} is none of the contexts; using {LOCAL!r}")
        return LOCAL

    def _table(self, where: str, value: Any) -> dict[Any, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self._complain(where, "must be a table of names and values")
        return {}

    def _complain(self, where: str, reason: str) -> None:
        self._problems.append(_problem(self._source, self._lines, where, reason))


def _problem(source: Path, lines: Mapping[str, int], where: str, reason: str) -> ConfigError:
    line = lines.get(where) or lines.get(where.rpartition(".")[0])
    message = f"{printable(where)}: {reason}" if where else reason
    return ConfigError(message, field=where or None, source=str(source), line=line)
