"""Responses as FastAPI writes them: JSON, an empty deletion, an error with its detail."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response


class ApiError(Exception):
    """An error status that ends the request. `detail` is a text, or a list with one entry for each wrong field."""

    def __init__(self, status: int, detail: Any, **headers: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def json_response(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def no_content() -> Response:
    """Returns the response to a deletion."""
    return Response(status_code=204)


def invalid_field(location: tuple[str | int, ...], message: str, kind: str = "value_error") -> ApiError:
    """Returns the error for one wrong field of a request."""
    return ApiError(422, [{"type": kind, "loc": list(location), "msg": message}])


async def error_response(_: Request, error: Exception) -> Response:
    """Handles ApiError for starlette."""
    assert isinstance(error, ApiError)
    response = json_response({"detail": error.detail}, error.status)
    response.headers.update(error.headers)
    return response
