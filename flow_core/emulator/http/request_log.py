"""The outermost middleware: numbers every request, adds the common headers, keeps a log of requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flow_core.emulator.http.server import find_transport

CONTROL_PREFIX = "/_emulator/"
_KEPT = 10_000


@dataclass(slots=True)
class ApiCall:
    """One request. `path` is as the client sent it. `status` is 0 if the connection was cut before a response."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    request_id: str
    body: bytes = b""
    status: int = 0


class RequestLog:
    """The log of requests.

    `calls` are the last requests, without requests to the control endpoint; `failures` are bugs of the app. A bug of
    the app cuts the connection: a client must never take it for a response of the API.
    """

    def __init__(self, app: ASGIApp, now: Callable[[], datetime]) -> None:
        self._app = app
        self._now = now
        self._count = 0
        self.calls: deque[ApiCall] = deque(maxlen=_KEPT)
        self.failures: list[Exception] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count += 1
        call = _parse_call(scope, f"req_{self._count:08d}")
        if not call.path.startswith(CONTROL_PREFIX):
            self.calls.append(call)

        async def receive_and_log() -> Message:
            message = await receive()
            call.body += message.get("body", b"")
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                self._add_headers(message, call)
            await send(message)

        try:
            await self._app(scope, receive_and_log, send_with_headers)
        except ClientDisconnect:
            pass  # no client waits for a response
        except Exception as error:
            self.failures.append(error)
            if (transport := find_transport(scope)) is not None:
                transport.abort()
            raise

    def _add_headers(self, message: Message, call: ApiCall) -> None:
        headers = MutableHeaders(scope=message)
        headers.setdefault("date", format_datetime(self._now(), usegmt=True))
        headers.setdefault("server", "flow-emulator")
        headers.setdefault("x-request-id", call.request_id)


def get_path(scope: Scope) -> str:
    """Returns the path as the client sent it."""
    raw: bytes = scope["raw_path"]
    return raw.decode("ascii")


def _parse_call(scope: Scope, request_id: str) -> ApiCall:
    query = parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return ApiCall(scope["method"], get_path(scope), query, headers, request_id)
