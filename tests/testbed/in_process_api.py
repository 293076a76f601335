"""HTTP requests of this process that an emulator answers without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncssh  # noqa: F401  # loaded before any test, since that starts processes such as ldconfig
import httpx
import pytest
from starlette.types import ASGIApp, Message

from flow_core.emulator.emulator import Emulator


class InProcessTransport(httpx.AsyncBaseTransport):
    """Calls an ASGI app for each request. An app that ends before its response is complete cuts the client off.

    As at a server, a request goes on when its client has gone, until `aclose`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(await request.aread())
        running = asyncio.create_task(exchange.run(self._app, _scope(request)))
        self._running.add(running)
        running.add_done_callback(self._forget)
        start = await exchange.next_message()
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(exchange))

    async def aclose(self) -> None:
        running = tuple(self._running)
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _forget(self, ended: asyncio.Task[None]) -> None:
        self._running.discard(ended)
        if not ended.cancelled():
            ended.exception()  # the emulator keeps it, and raises it at its end


def answered_in_process(emulator: Emulator) -> AbstractAsyncContextManager[None]:
    """Every request of httpx in this process goes to the emulator meanwhile, whatever its address is."""
    return answered_by(emulator.app)


@asynccontextmanager
async def answered_by(app: ASGIApp) -> AsyncIterator[None]:
    """Every request of httpx in this process goes to this app meanwhile."""
    transport = InProcessTransport(app)

    async def answer(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await transport.handle_async_request(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
        try:
            yield
        finally:
            await transport.aclose()


class _Exchange:
    """One request and its response, message by message."""

    def __init__(self, body: bytes) -> None:
        self._request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._is_over = asyncio.Event()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._messages.put)
        finally:
            self._messages.put_nowait(None)

    async def next_message(self) -> Message:
        message = await self._messages.get()
        if message is None:
            raise httpx.RemoteProtocolError("the app ended before its response was complete")
        return message

    def leave(self) -> None:
        """The client has gone, or has the whole response."""
        self._is_over.set()

    async def _receive(self) -> Message:
        if self._request:
            return self._request.pop()
        await self._is_over.wait()
        return {"type": "http.disconnect"}


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._exchange.next_message()
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    async def aclose(self) -> None:
        self._exchange.leave()


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 0),
        "state": {},
    }
