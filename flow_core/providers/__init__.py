"""The providers. A new provider adds its folder and one line to `PROVIDERS`; each is imported on first use."""

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
    "slurm": "flow_core.providers.slurm",
}
"""The module of each provider, by the provider's name; its `PROVIDER` is the ProviderType."""


def get_provider_type(name: str) -> ProviderType:
    """Returns the kind of provider with this name, from `PROVIDERS`. Makes no request.

    Raises KeyError for an unknown name.
    """
    provider: object = import_module(PROVIDERS[name]).PROVIDER
    if not isinstance(provider, ProviderType):
        raise TypeError(f"{PROVIDERS[name]}.PROVIDER is no ProviderType")
    return provider


def open_provider(context: Context, prompter: Prompter | None = None) -> Provider:
    """Opens the provider of a context. Makes no request and waits for nothing.

    `prompter` answers what only the user can, such as a passphrase. Without a prompter, a prompt becomes an error.
    """
    if context.provider not in PROVIDERS:
        names = ", ".join(PROVIDERS)
        raise ConfigError(
            f"context {context.name!r} names provider {context.provider[:70]!r}; known are: {names}", field="provider"
        )
    return get_provider_type(context.provider).open(context, prompter)


def takes_batch_scripts(context: Context) -> bool:
    """Returns whether a command of this context may be a script with `#SBATCH` lines. Makes no request."""
    return context.provider in PROVIDERS and get_provider_type(context.provider).takes_batch_scripts


def find_shared_platform() -> Platform | None:
    """Returns the platform that contexts of other providers may use too; None if no provider has one.

    Makes no request.
    """
    platforms = (get_provider_type(name).platform for name in PROVIDERS)
    return next((platform for platform in platforms if platform is not None), None)
