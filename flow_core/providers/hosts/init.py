"""What there is to set up before machines can be used: their list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.providers.account import ConfigField
from flow_core.providers.hosts.machines import problems_of
from flow_core.providers.over_ssh.login_limit import LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING

_FIELDS = (
    ConfigField("hosts", "the machines, by their names in ~/.ssh/config, such as [gpu1, gpu2]", is_required=True),
    ConfigField("region", "how the place where they stand is called", default="each machine's name"),
    ConfigField(LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING, default="120"),
)


class HostsInit:
    """The settings of a context of machines."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        return _FIELDS

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return problems_of(settings)
