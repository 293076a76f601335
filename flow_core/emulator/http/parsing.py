"""Parses queries and bodies of requests; one error names every wrong field, as FastAPI does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from flow_core.emulator.http.responses import ApiError, invalid_field

_MAX_BODY = 1 << 20


class BodyModel(BaseModel):
    """The body of a request. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


class QueryModel(BaseModel):
    """The query of a request. A client may join the values of `arrays` by commas, repeat the name, or both."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)
    arrays: ClassVar[tuple[str, ...]] = ()


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


UtcTime = Annotated[datetime, AfterValidator(_to_utc)]
B = TypeVar("B", bound=BodyModel)
Q = TypeVar("Q", bound=QueryModel)


async def parse_body(request: Request, model: type[B]) -> B:
    """Parses the body by a model. Raises ApiError."""
    return _parse_body(request, await _read_body(request), model)


async def parse_optional_body(request: Request, model: type[B]) -> B:
    """Parses the body like `parse_body`, but an empty body means the model's defaults. Raises ApiError."""
    body = await _read_body(request)
    return model() if body.strip() in (b"", b"null") else _parse_body(request, body, model)


def parse_query(request: Request, model: type[Q]) -> Q:
    """Parses the query. Uses the last value of a repeated name, unless it is an array. Raises ApiError."""
    given = request.query_params
    values: dict[str, Any] = dict(given)
    for name in model.arrays:
        if name in given:
            values[name] = [one for text in given.getlist(name) for one in text.split(",") if one]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _validation_error(error, "query") from error


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ApiError(413, "Request body too large")
    return bytes(body)


def _parse_body(request: Request, body: bytes, model: type[B]) -> B:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        raise invalid_field(("body",), "Field required", "missing")
    if kind != "application/json" and not kind.endswith("+json"):
        raise invalid_field(("body",), "Input should be a valid dictionary", "model_attributes_type")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _validation_error(error, "body") from error


def _validation_error(error: ValidationError, place: str) -> ApiError:
    wrong = json.loads(error.json(include_url=False, include_context=False, include_input=False))
    return ApiError(422, [{**one, "loc": [place, *one["loc"]]} for one in wrong])
