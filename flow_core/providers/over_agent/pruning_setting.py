"""The setting of a context that prunes ended tasks after some days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flow_core.errors import ConfigError
from flow_core.providers.contract.config_schema import ConfigField
from flow_core.providers.contract.pruning import DAYS_MAX

PRUNE_AFTER_DAYS = "prune_after_days"
PRUNE_FIELD = ConfigField(
    PRUNE_AFTER_DAYS, "ended tasks are pruned so many days after their end, without asking", default="never"
)


def parse_prune_after_days(settings: Mapping[str, Any]) -> float | None:
    """Reads the setting; None if the context does not have it. Raises ConfigError."""
    days = settings.get(PRUNE_AFTER_DAYS)
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= DAYS_MAX:
        message = f"{PRUNE_AFTER_DAYS}: must be a number of days above 0 and at most {DAYS_MAX}"
        raise ConfigError(message, field=PRUNE_AFTER_DAYS)
    return float(days)
