"""A server in place of slurmrestd that answers what a test says, breaks connections, or stays silent."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from testbed.rest_recordings import load_description


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What to answer. `is_cut` closes the connection within the body, and `is_silent` sends nothing."""

    status: int = 200
    body: dict[str, Any] | bytes = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    is_silent: bool = False


CUT, SILENT = Reply(is_cut=True), Reply(is_silent=True)


class RestStub:
    """Answers the last of the replies to a call again and again; without any, with 404 as slurmrestd does."""

    def __init__(self, release: str = "24.11") -> None:
        self.seen: list[Seen] = []
        self.replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self.replies["GET /openapi/v3"] = [Reply(body=load_description(release))]
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def calls(self) -> list[str]:
        """The method and path of each request, without those for the description."""
        return [f"{one.method} {one.path}" for one in self.seen if one.path != "/openapi/v3"]

    def reply(self, call: str, *replies: Reply) -> None:
        """Answers the next calls so."""
        self.replies[call] = list(replies)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            request = await _read(reader)
            self.seen.append(request)
            replies = self.replies[f"{request.method} {request.path}"]
            found = replies[0] if replies else Reply(404, b"Unable find requested URL.")
            del replies[: 1 if len(replies) > 1 else 0]
            if found.is_silent:
                await reader.read()
            else:
                await _write(writer, found)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(writer)


async def _read(reader: asyncio.StreamReader) -> Seen:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = lines[0].split(" ")
    fields = (line.split(": ", 1) for line in lines[1:] if line)
    headers = {name.lower(): value for name, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Seen(method, parts.path, parts.query, headers, json.loads(body) if body else {})


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    length = len(body) + (100 if reply.is_cut else 0)
    headers = {"Content-Length": str(length), "Connection": "close", **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} x\r\n{head}\r\n".encode() + body)
    await writer.drain()
