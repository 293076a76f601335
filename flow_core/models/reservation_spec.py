"""The request for a reservation."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, field_validator

from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.strict_model import StrictModel


class ReservationSpec(StrictModel):
    """`quantity` instances of a type for `duration_hours`, from `start_time_utc` on (None: from now).

    A time without a zone is UTC. With `auto_renew`, the reservation is extended by its duration at each end. Engines
    have their own limits (Mithril: 3 to 336 hours) and refuse other values.
    """

    instance_type: str
    quantity: int = Field(default=1, ge=1, le=100)
    duration_hours: int = Field(default=1, ge=1, le=8784)
    start_time_utc: datetime | None = None
    auto_renew: bool = False
    name: str | None = Field(default=None, min_length=1, max_length=128)
    region: str | None = None
    project_id: str | None = None
    ssh_keys: list[str] = Field(default_factory=list)
    volumes: list[str] = Field(default_factory=list)
    startup_script: str | None = None

    @field_validator("instance_type")
    @classmethod
    def _check_instance_type(cls, instance_type: str) -> str:
        parse_gpu(instance_type)  # raises ConfigError with a suggestion
        return instance_type

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise ValueError("must not hold control characters")
        return name

    @field_validator("start_time_utc")
    @classmethod
    def _convert_to_utc(cls, start: datetime | None) -> datetime | None:
        return None if start is None else (start if start.tzinfo else start.replace(tzinfo=UTC)).astimezone(UTC)
