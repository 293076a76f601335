"""An ASGI app served on loopback by uvicorn, on the caller's event loop."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket

from starlette.types import ASGIApp, Receive, Scope
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

_HOST = "127.0.0.1"
_MAX_CONNECTIONS = 256
_MAX_HEAD = 64 << 10
_IDLE_S = 75


class HttpServer:
    """A server of an ASGI app, from `open` until `close`.

    It runs uvicorn's server without its `serve`, which would take the signals of the whole process, poll ten times a
    second, and wait for clients at the end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._config = Config(
            app,
            http=_CuttableProtocol,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            workers=1,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_IDLE_S,
            h11_max_incomplete_event_size=_MAX_HEAD,
        )
        self._server = Server(self._config)

    async def open(self, port: int) -> str:
        """Starts to serve; returns the address. Port 0 means any free port. Raises OSError."""
        listener = socket.create_server((_HOST, port))
        # Inherited by every connection: else the body of a response waits 40 ms for the acknowledgement of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup([listener])
        return f"http://{_HOST}:{listener.getsockname()[1]}"

    async def close(self) -> None:
        """Cuts every connection. Calling it again is safe."""
        if self._server.started:
            for server in self._server.servers:
                server.close()
        state = self._server.server_state
        for connection in tuple(state.connections):
            connection.transport.abort()
        tasks = tuple(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # asyncio closes an aborted socket in the next round of its loop


def find_transport(scope: Scope) -> asyncio.Transport | None:
    """Returns the connection of a request; None if the app was called without the network."""
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    return transport


async def cut_connection(scope: Scope, receive: Receive) -> None:
    """Ends the connection after the bytes that were already sent. Returns when it has ended."""
    transport = find_transport(scope)
    if transport is None:
        return
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


class _CuttableProtocol(H11Protocol):
    """A protocol that gives the app the transport of each request, which ASGI hides, in the `state` of its scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}

    def send_400_response(self, msg: str) -> None:
        """Answers a message that is not HTTP as the API does: JSON, with an id."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_bad_request())
        self.transport.close()


def _bad_request() -> bytes:
    body = json.dumps({"detail": "Invalid HTTP request"})
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": f"req_{secrets.token_hex(4)}",
    }
    lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", body]
    return "\r\n".join(lines).encode()
