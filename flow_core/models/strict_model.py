"""The base of all models of user input: frozen, and an error names the field."""

from __future__ import annotations

import difflib
import os
import sys
import typing
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import ErrorDetails
else:
    ModelMetaclass = type(BaseModel)


class _ConfigErrorMeta(ModelMetaclass):
    """A metaclass by which `StrictModel(...)` raises ConfigError.

    pydantic builds nested models without this call, so the path of a wrong field is kept.
    """

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            raise _to_config_error(cls, error, None, {}) from None


class StrictModel(BaseModel, metaclass=_ConfigErrorMeta):
    """User input. A path is accepted wherever text is.

    `RETIRED` maps old names to the present ones, for the error message. `RENAMED` maps names of the published SDK that
    are accepted. `IGNORED` are fields of the published SDK that have no effect here; a warning names them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)
    RETIRED: ClassVar[Mapping[str, str]] = {}
    RENAMED: ClassVar[Mapping[str, str]] = {}
    IGNORED: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _rename_fields(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        known = {name: _paths_to_str(value) for name, value in fields.items() if name not in cls.IGNORED}
        if ignored := cls.find_ignored(fields):
            _warn(f"{cls.__name__}: {', '.join(ignored)}: without meaning here, and ignored")
        for old, new in cls.RENAMED.items():
            if old in known and known.get(new) is None:
                known[new] = known.pop(old)
        return known

    @classmethod
    def find_ignored(cls, fields: Mapping[Any, Any]) -> list[str]:
        """Returns the fields of the published SDK that are set and have no effect here."""
        return sorted(name for name in cls.IGNORED & fields.keys() if fields[name] not in (None, False, [], {}))

    @classmethod
    def parse(cls, fields: Any, *, source: str | None = None, lines: Mapping[str, int] | None = None) -> Self:
        """Builds a model from plain data.

        `source` names the file, and `lines` maps each dotted field ("volumes.0.name") to its line. Raises ConfigError
        with field, source and line, never pydantic's own error. The error contains no value.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise _to_config_error(cls, error, source, lines or {}) from None
        except RecursionError:
            raise ConfigError("is nested too deeply to be read", source=source) from None


def cross_field_error(field: str, sentence: str) -> PydanticCustomError:
    """Returns the error for a validator of a whole model.

    `field` is the wrong one; users read the unchanged sentence.
    """
    return PydanticCustomError("cross_field", "{sentence}", {"field": field, "sentence": sentence})


def _to_config_error(model: type, error: ValidationError, source: str | None, lines: Mapping[str, int]) -> ConfigError:
    """Returns the first error as "field: reason". If a field allows several types, uses the deepest error."""
    details = error.errors(include_url=False, include_input=False)
    # A misspelt name also makes the right one missing; report the misspelt one.
    details.sort(key=lambda one: one["type"] != "extra_forbidden")
    of_same_field = [one for one in details if one["loc"][:1] == details[0]["loc"][:1]]
    first = max(of_same_field, key=lambda one: len(one["loc"]))
    field = ".".join(_printable(part) for part in first["loc"] if not _is_alternative(part)) or None
    description = _describe(model, first)
    message = f"{field}: {description}" if field else description
    if first["type"] == "cross_field":
        field = ".".join(filter(None, [field, first["ctx"]["field"]]))
    return ConfigError(message, field=field, source=source, line=_find_line(field or "", lines))


def _describe(model: type, detail: ErrorDetails) -> str:
    if detail["type"] != "extra_forbidden":
        return detail["msg"].removeprefix("Value error, ")
    name, owner = str(detail["loc"][-1]), _find_owner(model, detail["loc"][:-1])
    if new := getattr(owner, "RETIRED", {}).get(name):
        return f"{name!r} is now called {new!r}" if new.isidentifier() else new
    close = difflib.get_close_matches(name, getattr(owner, "model_fields", ()), 1)
    return f"is not a known field; did you mean {close[0]}?" if close else "is not a known field"


def _find_owner(model: type, path: tuple[int | str, ...]) -> type | None:
    """Returns the model that contains the field at the end of a path."""
    owner: type | None = model
    for part in path:
        if isinstance(part, str) and owner is not None and not _is_alternative(part):
            field = getattr(owner, "model_fields", {}).get(part)
            owner = None if field is None else next(_find_models(field.annotation), None)
    return owner


def _find_models(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in typing.get_args(annotation):
        yield from _find_models(one)


def _paths_to_str(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [os.fspath(one) if isinstance(one, os.PathLike) else one for one in value]
    return value


def _warn(message: str) -> None:
    """Warns at the caller's line, above the frames of pydantic and of flow."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("flow_core.", "pydantic")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _printable(part: int | str) -> str:
    text = str(part)
    return text if text.isprintable() and len(text) <= 80 else repr(text[:80])


def _is_alternative(part: int | str) -> bool:
    """Returns whether this is pydantic's name of a union branch and not a field."""
    return isinstance(part, str) and (part == "str" or part.startswith(("list[", "function-")))


def _find_line(field: str, lines: Mapping[str, int]) -> int | None:
    """Returns the line of the field, or of the nearest table around it."""
    while field:
        if field in lines:
            return lines[field]
        field = field.rpartition(".")[0]
    return None
