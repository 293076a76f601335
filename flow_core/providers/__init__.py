"""Where work can run. A new provider is one folder and one line here; nothing is imported until asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.providers.account import Platform
    from flow_core.providers.base import Provider
    from flow_core.ssh.asking import Person

PROVIDERS = {
    "local": "flow_core.providers.local.provider:LocalProvider",
    "hosts": "flow_core.providers.hosts.provider:HostsProvider",
    "mithril": "flow_core.providers.mithril.provider:MithrilProvider",
}


def open_provider(context: Context, person: Person | None = None) -> Provider:
    """The provider of a context. Touches no network and waits for nothing.

    `person` answers what only a user can, such as a passphrase; without one, what would have to be asked is an error.
    """
    try:
        home = PROVIDERS[context.provider]
    except KeyError:
        known = ", ".join(PROVIDERS)
        raise ConfigError(
            f"context {context.name!r} wants provider {context.provider[:70]!r}; known are: {known}", field="provider"
        ) from None
    module, _, name = home.partition(":")
    provider: Provider = getattr(import_module(module), name)(context, person)
    return provider


def shared_platform() -> Platform | None:
    """Returns the platform that contexts of other providers may use too; None without one. Touches no network."""
    from flow_core.providers.account import Platform  # deferred: few scripts need it
    from flow_core.providers.mithril.identity import find_user
    from flow_core.providers.mithril.platform import platform_from_environment

    return Platform(platform_from_environment, "set MITHRIL_API_KEY to manage those of Mithril", find_user)
