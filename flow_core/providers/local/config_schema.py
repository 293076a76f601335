"""The settings of a local context; all are optional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import FlowError
from flow_core.providers.contract.config_schema import ConfigField
from flow_core.providers.over_agent.pruning_setting import PRUNE_FIELD, parse_prune_after_days

_FIELDS = (
    ConfigField("region", "the region name of this machine", default="its host name"),
    ConfigField("gpus", "simulated GPUs for trials, such as a100:4", environment="FLOW_LOCAL_GPUS"),
    PRUNE_FIELD,
    ConfigField(
        "container", "what runs tasks with an image: podman or docker", default="podman if it is installed, else docker"
    ),
)
SETTING_NAMES = tuple(field.name for field in _FIELDS)


class LocalConfigSchema:
    """The settings of a local context."""

    def config_fields(self) -> tuple[ConfigField, ...]:
        return _FIELDS

    def validate_config(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        from flow_core.providers.local.capacity.gpus import find_gpus  # lazy import: only a check of values needs it
        from flow_core.providers.over_agent.container_request_checks import (
            check_engine,  # lazy import: only a check of values needs it
        )

        problems = [f"{name}: is not a setting of a local context" for name in settings if name not in SETTING_NAMES]
        checks = (
            lambda: find_gpus(settings.get("gpus")),
            lambda: check_engine(settings.get("container")),
            lambda: parse_prune_after_days(settings),
        )
        for check in checks:
            try:
                check()
            except FlowError as error:
                problems.append(str(error))
        return tuple(problems)
