"""The emulator: its world, its machines, and the API over HTTP."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flow_core.emulator.account.api_key_routes import create_api_key
from flow_core.emulator.app import create_app
from flow_core.emulator.clock import WorldClock
from flow_core.emulator.control import Control
from flow_core.emulator.faults import Faults
from flow_core.emulator.http.request_log import ApiCall, RequestLog
from flow_core.emulator.http.server import HttpServer
from flow_core.emulator.nodes.machine_interface import NodeFleet
from flow_core.emulator.settings import Settings
from flow_core.emulator.world import World, create_world

_URL_WITHOUT_SOCKET = "http://127.0.0.1:0"
_KEY_END = datetime(2999, 12, 31, tzinfo=UTC)  # its own key survives every jump and skew of the clock


class Emulator:
    """A server of the published API on loopback, as long as `async with` lasts. Use it on one event loop.

    With `port` None it opens no socket; `app` answers requests all the same. Without `nodes` no instance is reachable.
    With `is_live` False its clock moves only by `control.advance`; it begins `age_s` ago. Its files are in a separate
    temporary directory, inside `folder` if one is given. Leaving raises the exceptions of the handlers of the API; they
    are always bugs of the emulator.
    """

    world: World
    control: Control
    faults: Faults
    calls: deque[ApiCall]
    app: RequestLog
    folder: Path
    url: str
    api_key: str
    project: str
    ssh_port: int | None = None

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        port: int | None = 0,
        is_live: bool = True,
        age_s: float = 0.0,
        nodes: Callable[[Path], NodeFleet] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._port = port
        self._is_live = is_live
        self._age_s = age_s
        self._nodes = nodes
        self._parent = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Starts the server. Raises OSError if the port is not free."""
        async with AsyncExitStack() as stack:
            folder = self.folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="flow-emulator-", dir=self._parent))
            )
            nodes = self._nodes(folder) if self._nodes else None
            if nodes is not None:
                stack.push_async_callback(nodes.close)
                await nodes.start()
                self.ssh_port = nodes.ssh_port
            clock = WorldClock(is_live=self._is_live, age_s=self._age_s)
            await self._serve(stack, create_world(self._settings, clock, nodes))
            if self._is_live:
                stack.push_async_callback(_end, asyncio.create_task(clock.run()))
            self.control.schedule_prices()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def limitations(self) -> str:
        """Returns what its machines can't do on this system and why, as a sentence; "" if they can do everything.

        Before the first boot it takes 0.2 s, because it boots a temporary machine.
        """
        nodes = self.world.nodes
        return "" if nodes is None else await nodes.limitations()

    def as_json(self) -> dict[str, Any]:
        """Returns the settings that a client needs to use it."""
        return {"url": self.url, "api_key": self.api_key, "project": self.project, "ssh_port": self.ssh_port}

    async def _serve(self, stack: AsyncExitStack, world: World) -> None:
        self.world = world
        self.faults = world.faults
        self.control = Control(world)
        self.app = app = RequestLog(create_app(world), lambda: world.now)
        self.calls = app.calls
        self.api_key = create_api_key(world, "emulator", _KEY_END).secret
        self.project = next(iter(world.projects))
        stack.callback(_raise_failure, app)
        self.url = world.url = _URL_WITHOUT_SOCKET
        if self._port is not None:
            server = HttpServer(app)
            stack.push_async_callback(server.close)
            self.url = world.url = await server.open(self._port)


def _raise_failure(app: RequestLog) -> None:
    for failure in app.failures:
        raise failure


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
