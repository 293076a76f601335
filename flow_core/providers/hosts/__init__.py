"""The provider of machines that are reached over SSH. The agent that manages tasks of this machine runs there too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.config_schema import UsableSettings
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.provider import Provider


def _open(context: Context, prompter: Prompter | None) -> Provider:
    from flow_core.providers.hosts.provider import HostsProvider  # lazy import: only contexts of this provider need it

    return HostsProvider(context, prompter)


def _usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    from flow_core.providers.hosts.machine_settings import usable_settings  # lazy import: loads no provider

    return usable_settings(settings)


def _setting_names() -> Collection[str]:
    from flow_core.providers.hosts.machine_settings import SETTINGS  # lazy import: only a config needs it

    return SETTINGS


PROVIDER = ProviderType(_open, _usable_settings, setting_names=_setting_names)
