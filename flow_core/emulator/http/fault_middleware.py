"""The middleware that makes requests fail on demand."""

from __future__ import annotations

import asyncio
import json

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flow_core.emulator.faults import Fault, Faults
from flow_core.emulator.http.request_log import CONTROL_PREFIX, get_path
from flow_core.emulator.http.server import cut_connection

_WITHOUT_BODY = (204, 304)


class FaultMiddleware:
    """A middleware that applies the faults to the app behind it. Requests to the control endpoint never fail."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = get_path(scope)
        fault = None if path.startswith(CONTROL_PREFIX) else self._faults.take(scope["method"], path)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Applies the fault. Its delay is real time, whatever the emulator's clock shows."""
        await asyncio.sleep(fault.delay_s)
        if fault.replaces_response and fault.when == "before":
            await _drain(receive)
            response = _make_replacement(fault, 200)
        else:
            response = await _call(self._app, scope, receive)
            if fault.replaces_response:
                response = _make_replacement(fault, response.status_code)
        if fault.cut == "all":
            await cut_connection(scope, receive)
            return
        for name, value in fault.headers.items():
            response.headers.append(name, value)
        await _send(fault, response, scope, receive, send)


def _make_replacement(fault: Fault, usual_status: int) -> Response:
    status = fault.status or usual_status
    detail = {"detail": fault.detail or f"Injected {status}"}
    body = json.dumps(detail).encode() if fault.body is None else fault.body
    return Response(b"" if status in _WITHOUT_BODY else body, status, media_type="application/json")


async def _drain(receive: Receive) -> None:
    """Reads the whole request: a connection that is cut earlier would be reset."""
    while (await receive()).get("more_body", False):
        pass


async def _call(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """Returns the app's response without sending it."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    response = Response(b"".join(one.get("body", b"") for one in messages), messages[0]["status"])
    response.raw_headers = list(messages[0]["headers"])
    return response


async def _send(fault: Fault, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the response; slowly, or only the first half of it, if the fault requires this."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    body = bytes(response.body)
    if fault.cut == "within":
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await cut_connection(scope, receive)
        return
    for index in range(len(body) if fault.drip_s else 0):
        await asyncio.sleep(fault.drip_s)
        await send({"type": "http.response.body", "body": body[index : index + 1], "more_body": True})
    await send({"type": "http.response.body", "body": b"" if fault.drip_s else body})
