"""What every model of a person's input has in common: it is frozen, and a refusal names the field."""

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


class _Refusing(ModelMetaclass):
    """Makes `Spec(...)` raise ConfigError. Nested models are built without this call, so their places are kept."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            raise _refusal(cls, error, None, {}) from None


class Spec(BaseModel, metaclass=_Refusing):
    """Input from a person. A path may stand wherever text may.

    `RETIRED` maps names that are no longer used to those that are, `RENAMED` names of the published SDK that are read
    as ours. `IGNORED` are fields of the published SDK without meaning here: a warning names them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)
    RETIRED: ClassVar[Mapping[str, str]] = {}
    RENAMED: ClassVar[Mapping[str, str]] = {}
    IGNORED: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _as_our_fields(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        known = {name: _paths_as_text(value) for name, value in fields.items() if name not in cls.IGNORED}
        if ignored := cls.ignored_in(fields):
            _warn(f"{cls.__name__}: {', '.join(ignored)}: without meaning here, and ignored")
        for theirs, ours in cls.RENAMED.items():
            if theirs in known and known.get(ours) is None:
                known[ours] = known.pop(theirs)
        return known

    @classmethod
    def ignored_in(cls, fields: Mapping[Any, Any]) -> list[str]:
        """Which fields of the published SDK stand there and mean nothing here."""
        return sorted(name for name in cls.IGNORED & fields.keys() if fields[name] not in (None, False, [], {}))

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


def wrong_together(field: str, sentence: str) -> PydanticCustomError:
    """What a validator of a whole model raises: `field` is the one to blame, and the sentence is told as it is."""
    return PydanticCustomError("wrong_together", "{sentence}", {"field": field, "sentence": sentence})


def _refusal(model: type, error: ValidationError, source: str | None, lines: Mapping[str, int]) -> ConfigError:
    """The first complaint, as "field: what is wrong". Where a field may be of several types, the deepest one."""
    complaints = error.errors(include_url=False, include_input=False)
    # A misspelt name leaves the right one missing as well, and is the one to name.
    complaints.sort(key=lambda one: one["type"] != "extra_forbidden")
    of_same_field = [one for one in complaints if one["loc"][:1] == complaints[0]["loc"][:1]]
    first = max(of_same_field, key=lambda one: len(one["loc"]))
    field = ".".join(_shown(part) for part in first["loc"] if not _is_alternative(part)) or None
    said = _said(model, first)
    message = f"{field}: {said}" if field else said
    if first["type"] == "wrong_together":
        field = ".".join(filter(None, [field, first["ctx"]["field"]]))
    return ConfigError(message, field=field, source=source, line=_line_of(field or "", lines))


def _said(model: type, complaint: ErrorDetails) -> str:
    if complaint["type"] != "extra_forbidden":
        return complaint["msg"].removeprefix("Value error, ")
    name, owner = str(complaint["loc"][-1]), _owner(model, complaint["loc"][:-1])
    if new := getattr(owner, "RETIRED", {}).get(name):
        return f"{name!r} is now called {new!r}" if new.isidentifier() else new
    close = difflib.get_close_matches(name, getattr(owner, "model_fields", ()), 1)
    return f"is no field we know; did you mean {close[0]}?" if close else "is no field we know"


def _owner(model: type, path: tuple[int | str, ...]) -> type | None:
    """The model that the field at the end of a path belongs to."""
    owner: type | None = model
    for part in path:
        if isinstance(part, str) and owner is not None and not _is_alternative(part):
            field = getattr(owner, "model_fields", {}).get(part)
            owner = None if field is None else next(_models_in(field.annotation), None)
    return owner


def _models_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in typing.get_args(annotation):
        yield from _models_in(one)


def _paths_as_text(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [os.fspath(one) if isinstance(one, os.PathLike) else one for one in value]
    return value


def _warn(message: str) -> None:
    """A warning that points at the caller's line: pydantic's and our own frames lie between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("flow_core.", "pydantic")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


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
