"""Which function answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flow_core.emulator.http.messages import Answer, Refusal, Request

if TYPE_CHECKING:
    from flow_core.emulator.world import World

Handler = Callable[["World", Request], Awaitable[Answer]]
Found = tuple[Handler, dict[str, str]]


class Routes:
    """The routes of one resource; its methods are decorators."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, Handler]] = []

    def get(self, path: str) -> Callable[[Handler], Handler]:
        return self._adder("GET", path)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        return self._adder("POST", path)

    def patch(self, path: str) -> Callable[[Handler], Handler]:
        return self._adder("PATCH", path)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        return self._adder("DELETE", path)

    def _adder(self, method: str, path: str) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.all.append((method, path, handler))
            return handler

        return add


class Router:
    """All routes. Where two fit a path, the one with fewer names in it does."""

    def __init__(self, *resources: Routes) -> None:
        every = [route for resource in resources for route in resource.all]
        every.sort(key=lambda route: route[1].count("{"))
        self._routes = [(method, _pattern(path), handler) for method, path, handler in every]

    def find(self, method: str, path: str) -> Found:
        """The handler, and what stands in the path for its names. Raises Refusal."""
        fitting = [(route, found) for route in self._routes if (found := route[1].fullmatch(path))]
        for (known, _, handler), found in fitting:
            if known == method:
                return handler, {name: unquote(value) for name, value in found.groupdict().items()}
        if not fitting:
            raise Refusal(404, "Not Found")
        closest = fitting[0][0][1]
        allowed = {known for (known, pattern, _), _ in fitting if pattern == closest}
        raise Refusal(405, "Method Not Allowed", allow=", ".join(sorted(allowed)))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
