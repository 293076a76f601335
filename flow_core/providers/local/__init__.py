"""Tasks as processes of this machine: the embedded default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.config_schema import UsableSettings, drop_invalid
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.provider import Provider


def _open(context: Context, person: Prompter | None) -> Provider:
    from flow_core.providers.local.provider import LocalProvider  # deferred: only contexts of this provider need it

    return LocalProvider(context, person)


def _usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    """Without an age that can't be used, so that nothing is pruned by a setting that was meant otherwise."""
    from flow_core.providers.over_agent.pruning_setting import prune_after_days_of  # deferred: as above

    return drop_invalid(settings, prune_after_days_of)


PROVIDER = ProviderType(_open, _usable_settings, has_own_context=lambda: True)
