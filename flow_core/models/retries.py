"""How often a task that fails is tried again."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from flow_core.models.strict_model import StrictModel


class Retries(StrictModel):
    """After a failed attempt up to `max_retries` more. A bare number stands for that many.

    The pause before the next attempt is `delay_s` seconds, doubled each time when `mode` is "exponential",
    never more than `max_delay_s`.
    """

    max_retries: int = Field(default=3, ge=0, le=10)
    mode: Literal["fixed", "exponential"] = "fixed"
    delay_s: float = Field(default=5.0, ge=0, le=3600)
    max_delay_s: float = Field(default=300.0, ge=0, le=3600)

    RENAMED: ClassVar[dict[str, str]] = {
        "initial_delay": "delay_s",
        "delay": "delay_s",
        "backoff_seconds": "delay_s",
        "max_delay": "max_delay_s",
    }

    @model_validator(mode="before")
    @classmethod
    def _convert_number(cls, fields: Any) -> Any:
        return {"max_retries": fields} if isinstance(fields, int) and not isinstance(fields, bool) else fields

    @model_validator(mode="before")
    @classmethod
    def _convert_coefficient(cls, fields: Any) -> Any:
        """The published SDK multiplies each pause by a number: 1 is fixed here, anything else doubles it."""
        if not isinstance(fields, dict) or "backoff_coefficient" not in fields:
            return fields
        coefficient = fields["backoff_coefficient"]
        if isinstance(coefficient, bool) or not isinstance(coefficient, int | float) or not 1 <= coefficient <= 10:
            raise ValueError("backoff_coefficient must be a number from 1 to 10")
        rest = {name: value for name, value in fields.items() if name != "backoff_coefficient"}
        return {"mode": "fixed" if coefficient == 1 else "exponential"} | rest

    @classmethod
    def fixed(cls, retries: int = 3, delay: float = 5.0) -> Self:
        """Up to `retries` further attempts, `delay` seconds apart. Raises ConfigError."""
        return cls(max_retries=retries, delay_s=delay)

    @classmethod
    def exponential(
        cls, retries: int = 3, initial: float = 1.0, multiplier: float = 2.0, max_delay: float | None = None
    ) -> Self:
        """Up to `retries` further attempts after `initial` seconds, then twice as long each time.

        The pause never exceeds `max_delay` seconds (300 when not given). `multiplier` is the published SDK's; every
        one above 1 means twice. Raises ConfigError.
        """
        limit = {} if max_delay is None else {"max_delay_s": max_delay}
        return cls.parse({"max_retries": retries, "delay_s": initial, "backoff_coefficient": multiplier, **limit})
