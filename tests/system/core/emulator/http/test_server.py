"""Connections: their number, invalid HTTP, and how they end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from testbed.cloud import NO_TLS
from testbed.emulator_account import Account
from testbed.waiting import DEADLINE_S

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.http.server import HttpServer, find_transport


async def raw(emulator: Emulator, data: bytes) -> bytes:
    """What comes back for these bytes until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(emulator.url).port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(data)
        answer = await reader.read()
    writer.close()
    return answer


def request(emulator: Emulator, path: str, *more: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {emulator.api_key}", *more, "", "")
    return "\r\n".join(lines).encode()


async def test_one_connection_serves_many_requests_also_when_they_come_at_once(emulator: Emulator) -> None:
    together = request(emulator, "/v2/me") + request(emulator, "/v2/projects", "Connection: close")
    answer = await raw(emulator, together)
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_every_answer_has_a_request_id_of_its_own(account: Account) -> None:
    answers = [await account.http.get(path) for path in ("/v2/me", "/v2/me", "/nowhere", "/v2/spot/bids/none")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert b"x-request-id" in await raw(account.emulator, b"NONSENSE\r\n\r\n")


async def test_bytes_that_are_not_http_are_refused_and_the_connection_is_closed(emulator: Emulator) -> None:
    assert b" 400 " in (await raw(emulator, b"\x16\x03\x01 nonsense\r\n\r\n")).splitlines()[0]


async def test_a_body_that_is_too_long_is_refused(account: Account) -> None:
    answer = await account.http.post("/_emulator/faults", content=b"x" * (2 << 20))
    assert answer.status_code == 413


async def test_many_clients_are_served_at_the_same_time(account: Account) -> None:
    answers = await asyncio.gather(*(account.get("/v2/projects") for _ in range(60)))
    assert len(answers) == 60


async def test_too_many_connections_are_refused_with_503(emulator: Emulator) -> None:
    port = urlsplit(emulator.url).port
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(256)]
    assert b" 503 " in (await raw(emulator, request(emulator, "/v2/me"))).splitlines()[0]
    for _, writer in idle:
        writer.close()


async def test_leaving_does_not_wait_for_clients(emulator: Emulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(emulator.url).port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(request(emulator, "/v2/me"))
        assert b" 200 " in await reader.readline()
        writer.write(b"GET /v2/me HTTP/1.1\r\n")
        await emulator.__aexit__(None, None, None)
        with suppress(ConnectionResetError):
            await reader.read()
    writer.close()


async def test_it_listens_on_loopback_only(emulator: Emulator) -> None:
    assert urlsplit(emulator.url).hostname == "127.0.0.1"


async def test_nothing_answers_once_it_is_closed() -> None:
    async with httpx.AsyncClient(verify=NO_TLS) as client:
        async with Emulator() as one:
            assert (await client.get(one.url)).status_code == 404
        with pytest.raises(httpx.TransportError):
            await client.get(one.url)


async def test_a_bug_of_the_emulator_cuts_the_connection_and_is_raised_at_the_end() -> None:
    async def ask() -> None:
        async with Emulator(is_live=False) as one, httpx.AsyncClient(verify=NO_TLS) as client:
            one.world.me = None  # type: ignore[assignment]
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{one.url}/v2/me", headers={"Authorization": f"Bearer {one.api_key}"})

    with pytest.raises(AttributeError):
        await ask()


async def test_a_small_response_is_sent_at_once_and_not_after_an_acknowledgement() -> None:
    options: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        transport = find_transport(scope)
        assert transport is not None
        options.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await Response("ok")(scope, receive, send)

    server = HttpServer(app)
    url = await server.open(0)
    async with httpx.AsyncClient(verify=NO_TLS) as client:
        assert (await client.get(url)).text == "ok"
    await server.close()
    assert [bool(option) for option in options] == [True]
