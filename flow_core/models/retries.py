"""How often a task that fails is tried again."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from flow_core.models.validated import Spec


class Retries(Spec):
    """After a failed attempt up to `max_retries` more. A bare number stands for that many.

    The pause before the next attempt is `delay_s` seconds, doubled each time when `mode` is "exponential",
    never more than `max_delay_s`.
    """

    max_retries: int = Field(default=3, ge=0, le=10)
    mode: Literal["fixed", "exponential"] = "fixed"
    delay_s: float = Field(default=5.0, ge=0, le=3600)
    max_delay_s: float = Field(default=300.0, ge=0, le=3600)

    @model_validator(mode="before")
    @classmethod
    def _a_number(cls, fields: Any) -> Any:
        return {"max_retries": fields} if isinstance(fields, int) and not isinstance(fields, bool) else fields
