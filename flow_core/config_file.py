"""Reads the config file and the environment into contexts, without the network.

    default: local
    contexts:
      lab: {provider: local, region: lab}
    dashboard: {theme: flow-dark, read_only: false, keys: {tasks.cancel: x}, shell_release: ctrl+g}

A broken part is a sentence in `Config.problems`; the rest of the file still counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.regular_files import read_regular_file
from flow_core.config import DEFAULT_CONTEXT, NAME_RULE, Config, Context, config_path, is_context_name, problem_at
from flow_core.errors import ConfigError, printable
from flow_core.providers import PROVIDERS, get_provider_type

if TYPE_CHECKING:
    from flow_core.providers.contract.provider_type import ProviderType

_CONFIG_BYTES_MAX = 256 << 10


def load_config(path: Path | None = None) -> Config:
    """Reads the config. A missing file counts as empty, unless `path` or `$FLOW_CONFIG` names it.

    A provider may add a context that no file has, for example for an API key in the environment. No such context except
    `local` becomes the default by itself: it may cost money.
    """
    named = path is not None or bool(os.environ.get("FLOW_CONFIG"))
    source = path or config_path()
    try:
        text = read_regular_file(source, _CONFIG_BYTES_MAX).decode("utf-8")
    except FileNotFoundError:
        missing = (ConfigError("the config file does not exist", source=str(source)),) if named else ()
        return _make_default_config(source, missing)
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path that can't be one
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        return _make_default_config(source, (ConfigError(f"can't be read: {reason}", source=str(source)),))
    return _Reader(source, text).read()


def _make_default_config(source: Path, problems: tuple[ConfigError, ...]) -> Config:
    return Config(source, tuple(_find_implicit_contexts().values()), problems=problems)


def _find_implicit_contexts() -> dict[str, Context]:
    """Returns the contexts that exist without a file, each with the name of its provider."""
    return {name: Context(name, name) for name in PROVIDERS if get_provider_type(name).has_own_context()}


class _Reader:
    """A reader that converts the file's text to a Config; collects a problem for each part that can't be used."""

    def __init__(self, source: Path, text: str) -> None:
        self._source = source
        self._text = text
        self._problems: list[ConfigError] = []
        self._lines: Mapping[str, int] = {}

    def read(self) -> Config:
        document = self._document()
        contexts = self._contexts(document.get("contexts"))
        for unknown in sorted(set(document) - {"default", "contexts", "dashboard"}, key=str):
            self._add_problem(str(unknown), "is not a known setting; known are: default, contexts, dashboard")
        return Config(
            self._source,
            contexts,
            default=self._default(document.get("default"), contexts),
            dashboard=self._table("dashboard", document.get("dashboard")),
            problems=tuple(self._problems),
            lines=self._lines,
        )

    def _document(self) -> dict[Any, Any]:
        # lazy import: a machine without a config file doesn't need it.
        from flow_core.models.yaml_file import parse_table

        try:
            fields, self._lines = parse_table(self._text, str(self._source))
        except ConfigError as problem:
            self._problems.append(problem)
            return {}
        return fields

    def _contexts(self, value: Any) -> tuple[Context, ...]:
        found = _find_implicit_contexts()
        for name, settings in self._table("contexts", value).items():
            if context := self._context(str(name), settings):
                found[context.name] = context
        return tuple(found.values())

    def _context(self, name: str, settings: Any) -> Context | None:
        where = f"contexts.{name}"
        if not is_context_name(name):
            self._add_problem(where, NAME_RULE)
            return None
        if not isinstance(settings, dict):
            self._add_problem(where, "must be a table with at least a provider")
            return None
        provider = settings.get("provider", DEFAULT_CONTEXT if name == DEFAULT_CONTEXT else None)
        if not isinstance(provider, str) or provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            self._add_problem(f"{where}.provider", f"{printable(repr(provider))} is no provider; known are: {known}")
            return None
        if name == DEFAULT_CONTEXT and provider != DEFAULT_CONTEXT:
            self._add_problem(f"{where}.provider", f"the context {DEFAULT_CONTEXT!r} is always this machine")
            return None
        rest = {str(key): value for key, value in settings.items() if key != "provider"}
        provider_type = get_provider_type(provider)
        self._report_unknown_settings(where, rest, provider_type)
        usable = provider_type.usable_settings(rest)
        for problem in usable.problems:
            self._add_problem(f"{where}.{problem.path}", problem.reason)
        return None if usable.settings is None else Context(name, provider, usable.settings)

    def _report_unknown_settings(self, where: str, settings: Iterable[str], provider_type: ProviderType) -> None:
        if provider_type.setting_names is None:
            return
        known = provider_type.setting_names()
        for name in settings:
            if name not in known:
                reason = f"is not a setting of this context and is ignored; known are: {', '.join(known)}"
                self._add_problem(f"{where}.{printable(name)}", reason)

    def _default(self, value: Any, contexts: tuple[Context, ...]) -> str:
        if value is None:
            return DEFAULT_CONTEXT
        if str(value) in [context.name for context in contexts]:
            return str(value)
        self._add_problem("default", f"{printable(repr(value))} is none of the contexts; using {DEFAULT_CONTEXT!r}")
        return DEFAULT_CONTEXT

    def _table(self, where: str, value: Any) -> dict[Any, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self._add_problem(where, "must be a table of names and values")
        return {}

    def _add_problem(self, where: str, reason: str) -> None:
        self._problems.append(problem_at(self._source, self._lines, where, reason))
