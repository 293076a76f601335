"""Faults on demand: which requests go wrong, how, and how many times."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_FRAMING = ("content-length", "transfer-encoding")


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or name.lower() in _FRAMING:
            raise ValueError(f"a fault can't set the header {name!r}")
        if not re.fullmatch(r"([^\s\0]+([ \t]+[^\s\0]+)*)?", value) or not value.isascii():
            raise ValueError(f"the header {name} can't have this value")
    return headers


class Fault(BaseModel):
    """A rule. `path` may contain *; without `times` the rule applies until it is cleared.

    `when` decides whether the request is carried out: a status, a body or a cut connection comes "before" or "after"
    that. A cut "all" leaves the client without a byte, "within" with half of the body.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    method: str = "*"
    path: str = "*"
    times: Annotated[int, Field(ge=1)] | None = 1
    when: Literal["before", "after"] = "before"
    delay_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    detail: Any = None
    headers: Annotated[dict[str, str], AfterValidator(_check_headers)] = {}
    body: bytes | None = None
    cut: Literal["", "all", "within"] = ""
    drip_s: Annotated[float, Field(ge=0, le=60)] = 0.0

    @property
    def replaces_response(self) -> bool:
        return self.status is not None or self.body is not None or self.cut == "all"

    def matches(self, method: str, path: str) -> bool:
        return fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


class Faults:
    """The rules, in the order in which they were added. The first that matches a request is used."""

    def __init__(self) -> None:
        self._rules: list[tuple[Fault, int | None]] = []

    @property
    def rules(self) -> list[Fault]:
        """The rules that still apply, with the number of times that each has left."""
        return [rule.model_copy(update={"times": left}) for rule, left in self._rules]

    def add(self, fault: Fault) -> None:
        self._rules.append((fault, fault.times))

    def clear(self) -> None:
        self._rules.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Returns the first rule that matches this request and uses it once; None if no rule matches."""
        for index, (rule, left) in enumerate(self._rules):
            if rule.matches(method, path):
                if left is not None:
                    self._rules[index] = (rule, left - 1)
                    if left == 1:
                        del self._rules[index]
                return rule
        return None
