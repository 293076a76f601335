"""HTTP/1.1 on one connection: requests one after another, bounded, with deadlines."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

import h11

from flow_core.emulator.http.messages import Answer, Refusal, Request

_MOST_BODY = 1 << 20
_MOST_HEAD = 64 << 10
_READ = 64 << 10
_IDLE_S = 75.0
_WRITE_S = 30.0
_MOST_FIELDS = 200

Answering = Callable[[Request], Awaitable[Answer]]


class _Cut(Exception):
    """The connection is to end here."""


class Connection:
    """One client's. `serve` ends when the client leaves, breaks the protocol, or is cut off."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answering: Answering,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answering = answering
        self._now = now
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)

    async def serve(self) -> None:
        try:
            while await self._exchange():
                self._protocol.start_next_cycle()
        except (_Cut, OSError, TimeoutError, h11.LocalProtocolError):
            pass  # the client has left or is to be left; there is nobody to tell
        finally:
            self._writer.close()

    async def _exchange(self) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            request = await self._request()
            if request is None:
                return False
            answer = await self._answering(request)
        except h11.RemoteProtocolError as error:
            answer = Refusal(error.error_status_hint, "Invalid HTTP request").answer
        except Refusal as refusal:
            answer = refusal.answer
        await self._send(answer)
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    async def _request(self) -> Request | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise _Cut
            body += event.data
            if len(body) > _MOST_BODY:
                raise Refusal(413, "Request body too large")
        return _read(head, bytes(body))

    async def _event(self) -> object:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._protocol.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(_IDLE_S):
                self._protocol.receive_data(await self._reader.read(_READ))

    async def _send(self, answer: Answer) -> None:
        if answer.cut == "all":
            raise _Cut
        body = b"" if answer.status == 204 else answer.body
        headers = [("date", format_datetime(self._now(), usegmt=True)), ("server", "flow-emulator"), *answer.headers]
        if not any(name == "x-request-id" for name, _ in answer.headers):
            headers.append(("x-request-id", f"req_{secrets.token_hex(4)}"))
        if answer.status != 204:
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        response = h11.Response(status_code=answer.status, headers=headers)
        if answer.cut == "within":
            await self._write(response, h11.Data(data=body[: len(body) // 2]))
            raise _Cut
        if not answer.drip_s:
            await self._write(response, h11.Data(data=body), h11.EndOfMessage())
            return
        await self._write(response)
        for index in range(len(body)):
            await asyncio.sleep(answer.drip_s)
            await self._write(h11.Data(data=body[index : index + 1]))
        await self._write(h11.EndOfMessage())

    async def _write(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._protocol.send(event) or b"" for event in events))
        async with asyncio.timeout(_WRITE_S):
            await self._writer.drain()


def _read(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("ascii", "replace").partition("?")
    try:
        values = parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refusal(400, "Too many query parameters") from error
    headers = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), path, values, headers, body)
