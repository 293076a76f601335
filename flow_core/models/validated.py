"""What every model of a person's input has in common: it is frozen, and a refusal names the field."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import ErrorDetails
else:
    ModelMetaclass = type(BaseModel)


class _Refusing(ModelMetaclass):
    """Makes `Spec(...)` raise ConfigError. Nested models are built without this call, so their places are kept."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            raise _refusal(cls, error, None, {}) from None


class Spec(BaseModel, metaclass=_Refusing):
    """Input from a person. `RETIRED` maps names that are no longer used to those that are."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)
    RETIRED: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def parse(cls, fields: Any, *, source: str | None = None, lines: Mapping[str, int] | None = None) -> Self:
        """Builds one from plain data.

        `source` names the file it came from, `lines` the line of each dotted field ("volumes.0.name"). Raises
        ConfigError with field, source and line, never pydantic's own error. No value is repeated in it.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _refusal(cls, error, source, lines or {}) from None
        except RecursionError:
            raise ConfigError("is nested too deeply to be read", source=source) from None


def _refusal(model: type, error: ValidationError, source: str | None, lines: Mapping[str, int]) -> ConfigError:
    """The first complaint, as "field: what is wrong". Where a field may be of several types, the deepest one."""
    complaints = error.errors(include_url=False, include_input=False, include_context=False)
    of_same_field = [one for one in complaints if one["loc"][:1] == complaints[0]["loc"][:1]]
    first = max(of_same_field, key=lambda one: len(one["loc"]))
    field = ".".join(_shown(part) for part in first["loc"] if not _is_alternative(part)) or None
    said = _said(model, first)
    return ConfigError(
        f"{field}: {said}" if field else said, field=field, source=source, line=_line_of(field or "", lines)
    )


def _said(model: type, complaint: ErrorDetails) -> str:
    if complaint["type"] != "extra_forbidden":
        return complaint["msg"].removeprefix("Value error, ")
    if len(complaint["loc"]) > 1:
        return "is no field we know"
    name = str(complaint["loc"][-1])
    if new := getattr(model, "RETIRED", {}).get(name):
        return f"{name!r} is now called {new!r}"
    close = difflib.get_close_matches(name, getattr(model, "model_fields", ()), 1)
    return f"is no field we know; did you mean {close[0]}?" if close else "is no field we know"


def _shown(part: int | str) -> str:
    text = str(part)
    return text if text.isprintable() and len(text) <= 80 else repr(text[:80])


def _is_alternative(part: int | str) -> bool:
    """Whether this is how pydantic names a branch of a union, and no field."""
    return isinstance(part, str) and (part == "str" or part.startswith(("list[", "function-")))


def _line_of(field: str, lines: Mapping[str, int]) -> int | None:
    """The line of the field, else of the nearest table around it."""
    while field:
        if field in lines:
            return lines[field]
        field = field.rpartition(".")[0]
    return None
