"""What is to go wrong, with which requests, and how many times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flow_core.emulator.http.messages import Answer, Request, answer


class Fault(BaseModel):
    """A rule. `path` may have * in it; without `times` it holds until it is taken away.

    `when` says whether the request is done all the same: a status, a body or a cut connection comes "before" it is
    done or "after". A cut "all" leaves the client without a byte, "within" with half of the answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = "*"
    path: str = "*"
    times: Annotated[int, Field(ge=1)] | None = 1
    when: Literal["before", "after"] = "before"
    delay_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    detail: Any = None
    headers: dict[str, str] = {}
    body: str | None = None
    cut: Literal["", "all", "within"] = ""
    drip_s: Annotated[float, Field(ge=0, le=60)] = 0.0

    def fits(self, request: Request) -> bool:
        return fnmatchcase(request.method, self.method) and fnmatchcase(request.path, self.path)

    async def spoil(self, do: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer as the rule wants it. The delay is real time, whatever the emulator's clock does."""
        await asyncio.sleep(self.delay_s)
        replaces = self.status is not None or self.body is not None or self.cut == "all"
        good = Answer() if replaces and self.when == "before" else await do()
        told = self._instead(good) if replaces else good
        return replace(told, headers=(*told.headers, *self.headers.items()), cut=self.cut, drip_s=self.drip_s)

    def _instead(self, good: Answer) -> Answer:
        status = self.status or good.status
        if self.body is not None:
            return Answer(status, self.body.encode())
        return Answer() if self.cut == "all" else answer({"detail": self.detail or f"Injected {status}"}, status)


class Faults:
    """The rules, in the order in which they were given; the first that fits holds."""

    def __init__(self) -> None:
        self._rules: list[tuple[Fault, int | None]] = []

    @property
    def rules(self) -> list[Fault]:
        """Those that still hold, with what is left of their times."""
        return [rule.model_copy(update={"times": left}) for rule, left in self._rules]

    def add(self, fault: Fault) -> None:
        self._rules.append((fault, fault.times))

    def clear(self) -> None:
        self._rules.clear()

    def take(self, request: Request) -> Fault | None:
        """The rule for this request, which is thereby used once."""
        for place, (rule, left) in enumerate(self._rules):
            if rule.fits(request):
                if left is not None:
                    self._rules[place] = (rule, left - 1)
                    if left == 1:
                        del self._rules[place]
                return rule
        return None
