"""The number of retries of a failed task, and the pauses between them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from flow_core.models.strict_model import StrictModel


class Retries(StrictModel):
    """Up to `max_retries` more attempts after a failed one. A bare number means `max_retries`.

    The pause before the next attempt is `delay_s` seconds. With `mode` "exponential" it doubles each time, up to
    `max_delay_s`.
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
        """Converts the published SDK's multiplier to a mode: 1 is fixed, any other value is exponential."""
        if not isinstance(fields, dict) or "backoff_coefficient" not in fields:
            return fields
        coefficient = fields["backoff_coefficient"]
        if isinstance(coefficient, bool) or not isinstance(coefficient, int | float) or not 1 <= coefficient <= 10:
            raise ValueError("backoff_coefficient must be a number from 1 to 10")
        rest = {name: value for name, value in fields.items() if name != "backoff_coefficient"}
        return {"mode": "fixed" if coefficient == 1 else "exponential"} | rest

    @classmethod
    def fixed(cls, retries: int = 3, delay: float = 5.0) -> Self:
        """Allows up to `retries` more attempts, `delay` seconds apart. Raises ConfigError."""
        return cls(max_retries=retries, delay_s=delay)

    @classmethod
    def exponential(
        cls, retries: int = 3, initial: float = 1.0, multiplier: float = 2.0, max_delay: float | None = None
    ) -> Self:
        """Allows up to `retries` more attempts: the first after `initial` seconds, each next one after twice the pause.

        The pause never exceeds `max_delay` seconds (default: 300). `multiplier` is the published SDK's; each value
        above 1 means 2. Raises ConfigError.
        """
        limit = {} if max_delay is None else {"max_delay_s": max_delay}
        return cls.parse({"max_retries": retries, "delay_s": initial, "backoff_coefficient": multiplier, **limit})
