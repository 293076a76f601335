"""The provider of Slurm clusters: over SSH to a login node, with this machine's commands, or through slurmrestd."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flow_core.providers.contract.config_schema import UsableSettings
from flow_core.providers.contract.provider_type import ProviderType

if TYPE_CHECKING:
    from flow_core.config import Context
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.provider import Provider

_OWN_CONTEXT = "slurm"
_THIS_MACHINE = "local"
_NO_CONTEXT = "none"


def _open(context: Context, prompter: Prompter | None) -> Provider:
    host = _read_variable()
    if context.name == _OWN_CONTEXT and host not in ("", _THIS_MACHINE, _NO_CONTEXT):
        context = replace(context, settings={"host": host, **context.settings})
    if context.settings.get("rest_url") is not None and context.settings.get("host") is None:
        from flow_core.providers.slurm.rest.provider import SlurmRestProvider  # lazy import: only this way needs it

        return SlurmRestProvider(context)
    from flow_core.providers.slurm.provider import SlurmProvider  # lazy import: only contexts of this provider need it

    return SlurmProvider(context, prompter)


def _usable_settings(settings: Mapping[str, Any]) -> UsableSettings:
    from flow_core.providers.slurm.settings import usable_settings  # lazy import: loads no provider

    return usable_settings(settings)


def _setting_names() -> Collection[str]:
    from flow_core.providers.slurm.settings import SETTINGS  # lazy import: only a config needs it

    return SETTINGS


def _has_cluster() -> bool:
    """Returns whether $FLOW_SLURM names a login node, or this machine has sbatch. Asks no cluster."""
    if host := _read_variable():
        return host != _NO_CONTEXT
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return any(os.access(os.path.join(folder, "sbatch"), os.X_OK) for folder in folders if os.path.isabs(folder))


def _read_variable() -> str:
    return os.environ.get("FLOW_SLURM", "").strip()


PROVIDER = ProviderType(
    _open,
    _usable_settings,
    has_own_context=_has_cluster,
    takes_batch_scripts=True,
    setting_names=_setting_names,
)
