"""A server that speaks the published API on loopback, notes what it is asked, and can be told to misbehave."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from core.emulator.description import published, requests_held_against_it
from testbed.waiting import until

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.task import AsyncTask
from flow_core.config import Context
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault
from flow_core.emulator.orders.bids import BidRow
from flow_core.emulator.settings import Settings
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.settings import MithrilSettings

KEY = "fkey_verysecret123"
REGION = "us-central1-a"
WHEN = "2026-01-01T00:00:00Z"


def public_key(seed: str, kind: str = "ssh-ed25519", comment: str = "me@here") -> str:
    """A key shaped as real ones are, of bytes that the seed decides."""
    words = (kind.encode(), seed.encode().ljust(32, b"."))
    blob = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return f"{kind} {base64.b64encode(blob).decode()} {comment}"


@dataclass
class Reply:
    """What to answer instead.

    `cut` promises more than comes; `wait` holds the answer back until it is set; `pause_s` comes before each byte.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    wait: threading.Event | None = None
    pause_s: float = 0.0


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Whoever asked has left; tests look at what the client says."""


class FakeApi:
    """Projects, keys and people of one account."""

    def __init__(self) -> None:
        self.projects = [{"fid": "proj_one", "name": "lab", "created_at": WHEN}]
        self.keys: list[dict[str, Any]] = []
        self.me = {"id": "11-22", "fid": "user_me", "email": "me@lab.example", "organization_id": "org_1"}
        self.mates: list[dict[str, Any]] = []
        self.users: dict[str, dict[str, Any]] = {}
        self.seen: list[Seen] = []
        self.replies: list[Reply] = []
        self.complaints: list[str] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def calls(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.seen]

    def add_key(self, key_id: str, name: str, public_key: str, project: str = "proj_one", **more: Any) -> None:
        row = {"fid": key_id, "name": name, "project": project, "public_key": public_key}
        self.keys.append({**row, "created_at": WHEN, "required": False, **more})

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if seen.headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"detail": "Not authenticated"}
        match (seen.method, seen.path.split("/")[2:]):
            case ("GET", ["projects"]):
                return 200, self.projects
            case ("GET", ["me"]):
                return 200, self.me
            case ("GET", ["me", "teammates"]):
                return 200, self.mates
            case ("GET", ["users", user]) if user in self.users:
                return 200, self.users[user]
            case ("GET", ["ssh-keys"]):
                return 200, [key for key in self.keys if [key["project"]] == seen.query.get("project")]
            case ("POST", ["ssh-keys"]):
                if seen.body["name"] in [key["name"] for key in self.keys]:
                    return 400, {"detail": "SSH key name already exists"}
                self.add_key(f"sshkey_{len(self.keys)}", seen.body["name"], seen.body["public_key"])
                return 201, self.keys[-1]
            case ("DELETE", ["ssh-keys", key_id]) if key_id in [key["fid"] for key in self.keys]:
                self.keys = [key for key in self.keys if key["fid"] != key_id]
                return 204, None
        return 404, {"detail": "Not Found"}

    def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Nothing on the test's own output."""

            def handle_one(self) -> None:
                url, length = urlsplit(self.path), int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, url.path, parse_qs(url.query), headers, body)
                api.seen.append(seen)
                self.send(api.replies.pop(0) if api.replies else self.proper(seen))

            do_GET = do_POST = do_PATCH = do_DELETE = handle_one

            def proper(self, seen: Seen) -> Reply:
                status, value = api.answer(seen)
                body = b"" if value is None else json.dumps(value).encode()
                if (description := published()) is not None:
                    sent = b"" if seen.body is None else json.dumps(seen.body).encode()
                    api.complaints += description.requested(seen.method, seen.path, seen.query, sent)
                    api.complaints += description.complaints(seen.method, seen.path, status, body)
                return Reply(status, body, {"x-request-id": f"req_{len(api.seen)}"})

            def send(self, reply: Reply) -> None:
                if reply.wait is not None:
                    reply.wait.wait(10)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body) + (1000 if reply.cut else 0)))
                self.end_headers()
                for piece in [reply.body[i : i + 1] for i in range(len(reply.body))] if reply.pause_s else [reply.body]:
                    time.sleep(reply.pause_s)
                    self.wfile.write(piece)
                self.close_connection = reply.cut

        return Handler


@pytest.fixture
def api() -> Iterator[FakeApi]:
    server = FakeApi()
    yield server
    server.close()
    assert server.complaints == []


@pytest.fixture
async def http(api: FakeApi) -> AsyncIterator[MithrilHttp]:
    client = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01)
    yield client
    await client.close()


class Lab:
    """An account of the emulated cloud, without machines, whose prices stand still, and a client of it."""

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        settings = {"api_key": cloud.api_key, "api_url": cloud.url, "project": cloud.project, "region": REGION}
        self.context = Context("cloud", "mithril", settings)
        self.flow = AsyncFlow(self.context)

    async def submit(self, **fields: Any) -> AsyncTask:
        usual = {"command": "true", "instance_type": "8xh100", "upload_code": False}
        return await self.flow.run(TaskConfig.parse(usual | fields))

    async def running(self, **fields: Any) -> AsyncTask:
        return await self.until(await self.submit(**fields), lambda task: task.record.billed_usd_per_hour is not None)

    async def until(self, task: AsyncTask, holds: Callable[[AsyncTask], bool]) -> AsyncTask:
        async def holds_now() -> bool:
            return holds(await task.refresh())

        await until(holds_now, explain=lambda: f"still {task.record}")
        return task

    def spoil(self, method: str, path: str, *, after: int = 0, **fault: Any) -> None:
        """`after` so many requests that go well. Nothing waits between two tries."""
        if after:
            self.cloud.faults.add(Fault(method=method, path=path, times=after))
        if fault.get("status"):
            fault = {"headers": {"Retry-After": "0"}} | fault
        self.cloud.faults.add(Fault(method=method, path=path, **fault))

    def count(self, method: str, path: str = "*") -> int:
        return sum(call.method == method and fnmatchcase(call.path, path) for call in self.cloud.calls)

    @property
    def bids(self) -> list[BidRow]:
        """As they stand there."""
        return list(self.cloud.world.bids.values())

    @property
    def volumes(self) -> list[str]:
        """The names of those that stand there."""
        return [one.name for one in self.cloud.world.volumes.values() if one.deleted_at is None]


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.delenv("MITHRIL_API_KEY", raising=False)
    quick = Settings(seconds_to_allocate=0.02, starting_s=0.02, stopping_s=0.02, preempt_notice_s=0.2)
    async with Emulator(quick) as cloud:
        one = Lab(cloud)
        with requests_held_against_it():
            yield one
        await one.flow.close()
