"""A kind of provider, as the registry contains it: cheap to import, and enough to read a config file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.config_schema import UsableSettings, use_all

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.account import Platform
    from flow_core.providers.contract.provider import Provider


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ProviderType:
    """The description of a provider that its package exports as `PROVIDER`.

    The type checker checks `open` against the contract. `open` creates the provider of a context; it imports what it
    needs, makes no request and waits for nothing. `usable_settings` takes the settings of a context in a config file.
    `setting_names` returns the names of its settings, so that a mistyped one is reported; if it is None, any name is
    valid.
    `has_own_context` returns whether a context with the name of the provider exists although no config file has one.
    `takes_batch_scripts` is whether a command may be a script with `#SBATCH` lines.
    """

    open: Callable[[Context, Prompter | None], Provider]
    usable_settings: Callable[[Mapping[str, Any]], UsableSettings] = use_all
    has_own_context: Callable[[], bool] = _never
    takes_batch_scripts: bool = False
    setting_names: Callable[[], Collection[str]] | None = None
    platform: Platform | None = None
