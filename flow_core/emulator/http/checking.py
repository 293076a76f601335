"""What was sent, checked as FastAPI does: every field that is wrong in one answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from flow_core.emulator.http.messages import Refusal, Request, invalid


class Body(BaseModel):
    """What a request carries; fields that nobody knows are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Query(BaseModel):
    """What stands behind the question mark. `arrays` may come joined by commas, repeated, or both."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    arrays: ClassVar[tuple[str, ...]] = ()


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


Moment = Annotated[datetime, AfterValidator(_in_utc)]
B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


def body_of(request: Request, model: type[B]) -> B:
    """Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not request.body:
        raise invalid(("body",), "Field required", "missing")
    if kind != "application/json" and not kind.endswith("+json"):
        raise invalid(("body",), "Input should be a valid dictionary", "model_attributes_type")
    try:
        return model.model_validate_json(request.body)
    except ValidationError as error:
        raise _refusal(error, "body") from error


def optional_body_of(request: Request, model: type[B]) -> B:
    """As `body_of`, with the defaults where nothing was sent. Raises Refusal."""
    return model() if request.body.strip() in (b"", b"null") else body_of(request, model)


def query_of(request: Request, model: type[Q]) -> Q:
    """The last of what is given twice, as long as it is no array. Raises Refusal."""
    values: dict[str, Any] = {name: given[-1] for name, given in request.query.items()}
    for name in model.arrays:
        if name in request.query:
            values[name] = [one for given in request.query[name] for one in given.split(",") if one]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, "query") from error


def _refusal(error: ValidationError, place: str) -> Refusal:
    wrong = json.loads(error.json(include_url=False, include_context=False, include_input=False))
    return Refusal(422, [{**one, "loc": [place, *one["loc"]]} for one in wrong])
