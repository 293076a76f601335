"""The provider of the Mithril cloud, over its HTTP API."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.account import Platform
from flow_core.providers.contract.config_schema import UsableSettings, drop_invalid
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.models.identity import User
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.account import HttpFacet, PlatformAccount
    from flow_core.providers.contract.provider import Provider


def _open(context: Context, prompter: Prompter | None) -> Provider:
    from flow_core.providers.mithril.provider import (
        MithrilProvider,  # lazy import: only contexts of this provider need it
    )

    return MithrilProvider(context, prompter)


def _usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    from flow_core.providers.over_ssh.login_timeout import parse_login_timeout  # lazy import: only a config needs it

    return drop_invalid(settings, parse_login_timeout)


def _setting_names() -> Collection[str]:
    from flow_core.providers.mithril.config_schema import SETTING_NAMES  # lazy import: only a config needs it

    return SETTING_NAMES


def _has_key() -> bool:
    """Returns whether a key in the environment creates a context.

    Its tasks cost money, so it is never the default by itself.
    """
    return bool(os.environ.get("MITHRIL_API_KEY", "").strip())


def _platform_from_environment() -> PlatformAccount | None:
    from flow_core.providers.mithril.platform_account import open_platform_account  # lazy import: rarely needed

    return open_platform_account()


async def _find_user(http: HttpFacet, user_id: str) -> User | None:
    from flow_core.providers.mithril.identity import find_user  # lazy import: rarely needed

    return await find_user(http, user_id)


PROVIDER = ProviderType(
    _open,
    _usable_settings,
    has_own_context=_has_key,
    setting_names=_setting_names,
    platform=Platform(_platform_from_environment, "set MITHRIL_API_KEY to manage those of Mithril", _find_user),
)
