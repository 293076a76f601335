"""The settings of a context of machines; only the list of machines is required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.providers.contract.config_schema import ConfigField
from flow_core.providers.hosts.machine_settings import find_problems
from flow_core.providers.hosts.s3_credentials import SEND_CREDENTIALS
from flow_core.providers.over_agent.pruning_setting import PRUNE_FIELD
from flow_core.providers.over_ssh.login_timeout import LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING

_FIELDS = (
    ConfigField("hosts", "the machines, by their names in ~/.ssh/config, such as [gpu1, gpu2]", is_required=True),
    ConfigField("region", "the region name of the machines", default="each machine's name"),
    ConfigField(LOGIN_TIMEOUT, LOGIN_TIMEOUT_MEANING, default="120"),
    ConfigField("python", "the Python 3.8 or newer that runs the agent there", default="the first one found there"),
    ConfigField("s3_python", "a Python there that has boto3, for data from S3", default="the same"),
    ConfigField(SEND_CREDENTIALS, "whether a task sends S3 keys of this machine to theirs", default="false"),
    ConfigField("container", "what runs images there: podman or docker", default="the one that is installed"),
    PRUNE_FIELD,
)


class HostsConfigSchema:
    """The settings of a context of machines."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        return _FIELDS

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return find_problems(settings)
