"""The providers. A new one adds its folder and one line to `PROVIDERS`; nothing is imported before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.account import Platform
    from flow_core.providers.contract.provider import Provider

PROVIDERS = {
    "local": "flow_core.providers.local",
    "hosts": "flow_core.providers.hosts",
    "mithril": "flow_core.providers.mithril",
}
"""By name, the module whose `PROVIDER` is the ProviderType."""


def provider_type(name: str) -> ProviderType:
    """The kind of provider with this name, from `PROVIDERS`. At once. Raises KeyError for an unknown name."""
    found: object = import_module(PROVIDERS[name]).PROVIDER
    if not isinstance(found, ProviderType):
        raise TypeError(f"{PROVIDERS[name]}.PROVIDER is no ProviderType")
    return found


def open_provider(context: Context, person: Prompter | None = None) -> Provider:
    """The provider of a context. Touches no network and waits for nothing.

    `person` answers what only a user can, such as a passphrase; without one, what would have to be asked is an error.
    """
    if context.provider not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise ConfigError(
            f"context {context.name!r} wants provider {context.provider[:70]!r}; known are: {known}", field="provider"
        )
    return provider_type(context.provider).open(context, person)


def takes_batch_scripts(context: Context) -> bool:
    """Whether a command of this context may be a script with `#SBATCH` lines. At once."""
    return context.provider in PROVIDERS and provider_type(context.provider).takes_batch_scripts


def shared_platform() -> Platform | None:
    """The platform that contexts of other providers may use besides; None where no provider has one. At once."""
    platforms = (provider_type(name).platform for name in PROVIDERS)
    return next((platform for platform in platforms if platform is not None), None)
