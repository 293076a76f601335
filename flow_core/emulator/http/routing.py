"""The table of routes of one resource, and the starlette routes of all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from flow_core.emulator.http.responses import ApiError
from flow_core.emulator.world import World

RouteHandler = Callable[[World, Request], Awaitable[Response]]
Authorize = Callable[[World, Request], None]


class Routes:
    """The routes of one resource. Its methods are decorators."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, RouteHandler]] = []
        self.get = partial(self._decorator, "GET")
        self.post = partial(self._decorator, "POST")
        self.patch = partial(self._decorator, "PATCH")
        self.delete = partial(self._decorator, "DELETE")

    def _decorator(self, method: str, path: str) -> Callable[[RouteHandler], RouteHandler]:
        def add(handler: RouteHandler) -> RouteHandler:
            self.all.append((method, path, handler))
            return handler

        return add


def starlette_routes(world: World, authorize: Authorize, resources: Iterable[Routes]) -> list[Route]:
    """Creates one route for each path. Of two that match, the one with fewer parameters comes first."""
    handlers: dict[str, dict[str, RouteHandler]] = {}
    for resource in resources:
        for method, path, handler in resource.all:
            handlers.setdefault(path, {})[method] = handler
    paths = sorted(handlers, key=lambda path: path.count("{"))
    return [Route(path, _PathEndpoint(world, authorize, handlers[path])) for path in paths]


class _PathEndpoint:
    """The methods of one path. A starlette Route would answer HEAD too, and list only its own methods in Allow."""

    def __init__(self, world: World, authorize: Authorize, handlers: dict[str, RouteHandler]) -> None:
        self._world = world
        self._authorize = authorize
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler = self._handlers.get(request.method)
        if handler is None:
            raise ApiError(405, "Method Not Allowed", allow=", ".join(sorted(self._handlers)))
        self._authorize(self._world, request)
        response = await handler(self._world, request)
        await response(scope, receive, send)
