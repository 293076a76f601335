"""The settings of a context: those that a provider takes, and those of a config file that it can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flow_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConfigField:
    """A setting of a provider, for a form or a wizard. The value of a secret setting is never shown."""

    name: str
    description: str
    is_secret: bool = False
    is_required: bool = False
    default: str | None = None
    environment: str | None = None


class IProviderInit(Protocol):
    """The settings of a provider. The class has the name that the SDK reference gives it."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        """Returns the settings of a context of this provider. Makes no request."""

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns a sentence for each setting that can't be used. Makes no request."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """A setting that can't be used. `path` is its dotted name within the context, such as "hosts.1.port"."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class UsableSettings:
    """The usable settings of a context; `settings` is None if no context can be created from them."""

    settings: Mapping[str, Any] | None
    problems: tuple[SettingProblem, ...] = ()


def use_all(settings: Mapping[str, Any]) -> UsableSettings:
    """Keeps all settings, for a provider that reads its settings only when a context is opened."""
    return UsableSettings(settings)


def drop_invalid(settings: Mapping[str, Any], check: Callable[[Mapping[str, Any]], object]) -> UsableSettings:
    """Drops the setting that `check` refuses, so that the context works with the default of it.

    `check` raises ConfigError whose `field` is the name of the setting.
    """
    try:
        check(settings)
    except ConfigError as error:
        rest = {name: value for name, value in settings.items() if name != error.field}
        return UsableSettings(rest, (SettingProblem(str(error.field), error.reason),))
    return UsableSettings(settings)
