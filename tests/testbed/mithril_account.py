"""Accounts of the emulator: one that tests fill by hand, and one that allocates bids at once."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

import httpx
from testbed.api_description import check_requests, published
from testbed.cloud import NO_TLS
from testbed.in_process_api import answered_in_process
from testbed.waiting import until

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.task import AsyncTask
from flow_core.config import Context
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault
from flow_core.emulator.orders.bids import BidRow
from flow_core.emulator.rows import ApiKeyRow, ProjectRow, SshKeyRow, UserRow
from flow_core.emulator.settings import Settings

KEY = "fkey_verysecret123"
REGION = "us-central1-a"
BIDS = "/v2/spot/bids"
UNKNOWN = "/v2/x"  # a path that the API does not have


def public_key(seed: str, kind: str = "ssh-ed25519", comment: str = "me@here") -> str:
    """A key in the usual format; the seed decides its bytes."""
    words = (kind.encode(), seed.encode().ljust(32, b"."))
    blob = b"".join(len(word).to_bytes(4, "big") + word for word in words)
    return f"{kind} {base64.b64encode(blob).decode()} {comment}"


class KnownAccount:
    """An account with one project, without SSH keys, and with a known API key."""

    def __init__(self, emulator: Emulator) -> None:
        self.url = emulator.url
        self.calls = emulator.calls
        self._faults = emulator.faults
        self._world = world = emulator.world
        world.api_keys["apikey_test"] = ApiKeyRow("apikey_test", "test", KEY, world.now, world.now + timedelta(days=1))
        world.projects.clear()
        self.add_project("proj_one", "lab")
        world.me = _user("11-22", "user_me", "me", ())
        world.users.clear()

    @property
    def requests(self) -> list[str]:
        """The method and path of each call."""
        return [f"{one.method} {one.path}" for one in self.calls]

    @property
    def projects(self) -> list[dict[str, Any]]:
        return [one.as_json() for one in self._world.projects.values()]

    @property
    def keys(self) -> list[SshKeyRow]:
        return list(self._world.ssh_keys.values())

    def add_project(self, project_id: str, name: str) -> None:
        self._world.projects[project_id] = ProjectRow(project_id, name, self._world.now)

    def remove_projects(self) -> None:
        self._world.projects.clear()

    def add_key(self, key_id: str, name: str, key: str, project: str = "proj_one", required: bool = False) -> None:
        self._world.ssh_keys[key_id] = SshKeyRow(key_id, name, project, key, self._world.now, required)

    def add_user(self, id: str, fid: str, name: str, projects: Sequence[str] = ()) -> None:
        self._world.users.append(_user(id, fid, name, tuple(projects)))

    def reply(self, *faults: Fault) -> None:
        """The responses to the next requests, one each, in this order."""
        self._faults.clear()
        for fault in faults:
            self._faults.add(fault)


@asynccontextmanager
async def known_account(emulator: Emulator) -> AsyncIterator[KnownAccount]:
    """Checks every request against the description at the end, where there is one."""
    yield KnownAccount(emulator)
    if (description := published()) is not None:
        calls = [one for one in emulator.calls if one.path != UNKNOWN]
        complaints = [description.requested(one.method, one.path, one.query, one.body) for one in calls]
        assert [*chain.from_iterable(complaints)] == []


def _user(id: str, fid: str, name: str, projects: tuple[str, ...]) -> UserRow:
    return UserRow(id, fid, name, f"{name}@lab.example", "org_1", "member", projects)


class CloudLab:
    """An account of the emulated cloud, without machines and with fixed prices, and a client."""

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        settings = {"api_key": cloud.api_key, "api_url": cloud.url, "project": cloud.project, "region": REGION}
        self.context = Context("cloud", "mithril", settings)
        self.flow = AsyncFlow(self.context)

    async def submit(self, **fields: Any) -> AsyncTask:
        usual = {"command": "true", "instance_type": "8xh100", "upload_code": False}
        return await self.flow.run(TaskConfig.parse(usual | fields))

    async def place_copies(self, count: int) -> list[str]:
        """Places copies of the last bid without the client. Returns their ids."""
        placed = [call.body for call in self.cloud.calls if (call.method, call.path) == ("POST", BIDS)]
        body = json.loads(placed[-1])
        headers = {"Authorization": f"Bearer {self.cloud.api_key}"}
        async with httpx.AsyncClient(base_url=self.cloud.url, headers=headers, verify=NO_TLS) as http:
            answers = [await http.post(BIDS, json=body | {"name": f"copy-{number}"}) for number in range(count)]
        return [str(one.raise_for_status().json()["fid"]) for one in answers]

    async def running(self, **fields: Any) -> AsyncTask:
        return await self.until(await self.submit(**fields), lambda task: task.record.billed_usd_per_hour is not None)

    async def until(self, task: AsyncTask, holds: Callable[[AsyncTask], bool]) -> AsyncTask:
        async def holds_now() -> bool:
            return holds(await task.refresh())

        await until(holds_now, explain=lambda: f"still {task.record}")
        return task

    def add_fault(self, method: str, path: str, *, after: int = 0, **fault: Any) -> None:
        """Adds a fault that begins after `after` requests. The client doesn't wait before it tries again."""
        if after:
            self.cloud.faults.add(Fault(method=method, path=path, times=after))
        if fault.get("status"):
            fault = {"headers": {"Retry-After": "0"}} | fault
        self.cloud.faults.add(Fault(method=method, path=path, **fault))

    def count(self, method: str, path: str = "*") -> int:
        return sum(call.method == method and fnmatchcase(call.path, path) for call in self.cloud.calls)

    @property
    def bids(self) -> list[BidRow]:
        """The bids of the account."""
        return list(self.cloud.world.bids.values())

    @property
    def volumes(self) -> list[str]:
        """The names of the volumes of the account."""
        return [one.name for one in self.cloud.world.volumes.values() if one.deleted_at is None]


@asynccontextmanager
async def open_lab() -> AsyncIterator[CloudLab]:
    """Opens an account without a socket. Checks every request against the description, where there is one."""
    quick = Settings(seconds_to_allocate=0.02, starting_s=0.02, stopping_s=0.02, preempt_notice_s=0.2)
    async with Emulator(quick, port=None) as cloud, answered_in_process(cloud):
        lab = CloudLab(cloud)
        with check_requests():
            yield lab
        await lab.flow.close()
