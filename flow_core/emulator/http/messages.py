"""A request, an answer, and a refusal as FastAPI writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Request:
    """`path` as it was sent, `query` and `args` (what stands in the path for its names) decoded.

    The names of headers are in lower case.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""
    args: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.args[name]


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is written as it is.

    `cut` ends the connection without an answer or in the middle of it; `drip_s` comes before each byte.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: Literal["", "all", "within"] = ""
    drip_s: float = 0.0


class Refusal(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, detail: Any, **headers: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    @property
    def answer(self) -> Answer:
        headers = tuple((name.replace("_", "-"), value) for name, value in self.headers.items())
        return answer({"detail": self.detail}, self.status, headers)


def answer(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers)


def nothing() -> Answer:
    """What a deletion is answered with."""
    return Answer(204)


def invalid(place: tuple[str | int, ...], message: str, kind: str = "value_error") -> Refusal:
    """One thing that is wrong with what was sent."""
    return Refusal(422, [{"type": kind, "loc": list(place), "msg": message}])
