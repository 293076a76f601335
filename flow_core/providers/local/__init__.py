"""The local provider: tasks are processes of this machine. It needs no config."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.config_schema import UsableSettings, drop_invalid
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.provider import Provider


def _open(context: Context, prompter: Prompter | None) -> Provider:
    from flow_core.providers.local.provider import LocalProvider  # lazy import: only contexts of this provider need it

    return LocalProvider(context, prompter)


def _usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    """Drops an invalid `prune_after_days`, so that a mistyped setting prunes nothing."""
    from flow_core.providers.over_agent.pruning_setting import (
        parse_prune_after_days,  # lazy import: only a config needs it
    )

    return drop_invalid(settings, parse_prune_after_days)


def _setting_names() -> Collection[str]:
    from flow_core.providers.local.config_schema import SETTING_NAMES  # lazy import: only a config needs it

    return SETTING_NAMES


PROVIDER = ProviderType(_open, _usable_settings, has_own_context=lambda: True, setting_names=_setting_names)
