"""Any value in any place of any answer: no exception but FlowError, no file elsewhere, no other row lost."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.in_process_api import answered_in_process
from testbed.mithril_account import public_key
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault
from flow_core.emulator.settings import Settings
from flow_core.errors import FlowError
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.providers.mithril import idempotent_create

REGION, H100 = "us-central1-a", "it_5ECSoHQjLBzrp5YM"
NESTED: list[Any] = []
for _ in range(200):
    NESTED = [NESTED]
VALUES: list[Any] = [
    *(None, True, [], {}, "", 0, -1, 0.5, 10**30, int("9" * 400), float("nan"), float("inf"), float("-inf"), NESTED),
    *("../../../../../X", "a/b", "..", "-oProxyCommand=x", "@cert-authority *", "a,b", "*", "bid_a\nb", "bid_\ud800"),
    *("x" * 5_000, "\x1b[2J", "[bold]", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30"),
    *("$-1", "$NaN", "1e999", "$" + "9" * 5_000, "\u00b2", [None], [[]], {"fid": None}, {"data": {"data": []}}, "Open"),
]
ANY = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
SPEC = ReservationSpec.parse({"instance_type": "8xh100", "duration_hours": 3})
Reader = Callable[["Account", AsyncFlow], Awaitable[Any]]
# What lists the rows of a path, and how their ids are called there.
LISTED: dict[str, tuple[Reader, Callable[[Any], str]]] = {
    "/v2/spot/bids": (lambda account, flow: flow.list_tasks(limit=100), lambda one: one.task_id),
    "/v2/volumes": (lambda account, flow: flow.list_volumes(), lambda one: one.volume_id),
    "/v2/reservation": (lambda account, flow: flow.list_reservations(), lambda one: one.reservation_id),
    "/v2/ssh-keys": (lambda account, flow: flow.list_platform_ssh_keys(), lambda one: one["id"]),
    "/v2/spot/availability": (lambda account, flow: flow.find_instances({}, limit=1000), lambda one: one.allocation_id),
    "/v2/me/teammates": (lambda account, flow: flow.get_user_teammates("me"), lambda one: one.user_id),
    "/v2/quotas": (lambda account, flow: flow.quotas(), lambda one: one.name),
}
CHANGES: dict[str, Reader] = {
    "/v2/spot/bids": lambda account, flow: flow.run("true", instance_type="8xh100", upload_code=False),
    "/v2/volumes": lambda account, flow: flow.create_volume(1, region=REGION),
    "/v2/reservation": lambda account, flow: flow.reserve("8xh100", 3),
    "/v2/ssh-keys": lambda account, flow: flow.create_platform_ssh_key("three", public_key("three")),
}
TASKS: tuple[Reader, ...] = (
    lambda account, flow: flow.list_tasks(limit=100),
    lambda account, flow: flow.get_task(account.task_id),
)
# What else reads a path, besides what lists its rows.
OTHERS: dict[str, tuple[Reader, ...]] = {
    "/v2/projects": (*TASKS, lambda account, flow: flow.list_projects()),
    "/v2/me": (*TASKS, lambda account, flow: flow.get_user_teammates("user_x")),
    "/v2/instance-types": (*TASKS, lambda account, flow: flow.find_instances({"instance_type": "8xh100"})),
    "/v2/instances": (*TASKS, lambda account, flow: flow.log_addresses(account.task_id)),
    "/v2/spot/bids/TASK": (*TASKS, lambda account, flow: flow.get_task_ssh_connection_info(account.task_id)),
    "/v2/spot/bids/TASK/history": (lambda account, flow: flow.task_history(account.task_id),),
    "/v2/instances/status/history": (lambda account, flow: flow.task_history(account.task_id),),
    "/v2/instances/pricing/history": TASKS,
    "/v2/pricing/history": (lambda account, flow: flow.price_history(),),
    "/v2/reservation/availability": (
        lambda account, flow: flow.provider_port().reservations.availability({"instance_type": "8xh100"}),
    ),
    "/v2/reservation/quote": (lambda account, flow: flow.provider_port().reservations.quote(SPEC),),
    "/v2/reservation/RES": (
        lambda account, flow: flow.get_reservation(account.reservation_id),
        lambda account, flow: flow.provider_port().reservations.extend(account.reservation_id, 1),
        lambda account, flow: flow.provider_port().reservations.pause(account.reservation_id),
        lambda account, flow: flow.cancel_reservation(account.reservation_id),
    ),
    "/v2/reservation/RES/extension-availability": (
        lambda account, flow: flow.provider_port().reservations.times.latest_extension(account.reservation_id),
    ),
    "/v2/users/USER": (lambda account, flow: flow.get_user(account.user_id),),
}


class Account:
    """Two of everything in an emulated account, and what it answers honestly, by path."""

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        self.task_id = self.reservation_id = self.user_id = ""
        self.answers: dict[str, Any] = {}

    def client(self) -> AsyncFlow:
        settings = {"api_key": self.cloud.api_key, "api_url": self.cloud.url, "project": self.cloud.project}
        return AsyncFlow(Context("cloud", "mithril", settings | {"region": REGION}))

    def path(self, path: str) -> str:
        """With the ids of this account."""
        for name, own in (("TASK", self.task_id), ("RES", self.reservation_id), ("USER", self.user_id)):
            path = path.replace(name, own)
        return path

    def answer_with(self, method: str, path: str, body: Any) -> None:
        self.cloud.faults.clear()
        text = json.dumps(body)
        self.cloud.faults.add(Fault(method=method, path=path, body=text, times=None, when="after"))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def account(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with pytest.MonkeyPatch.context() as patch:
        set_home(patch, tmp_path_factory.mktemp("account"))
        stack = AsyncExitStack()
        yield loop.run(furnished(stack))
        loop.run(stack.aclose())


@pytest.fixture(autouse=True)
def _private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_create, "_PAUSE_S", 0.001)
    set_home(monkeypatch, tmp_path)


def set_home(patch: pytest.MonkeyPatch, root: Path) -> None:
    """So deep below the root that a file whose name climbs a few folders still lands there."""
    home = root / "one/two/three/home"
    home.mkdir(parents=True)
    patch.setenv("HOME", str(home))
    patch.setenv("FLOW_STATE_DIR", str(home / "state"))
    patch.delenv("MITHRIL_API_KEY", raising=False)


async def furnished(stack: AsyncExitStack) -> Account:
    quick = Settings(seconds_to_allocate=0.01, starting_s=0.01)
    cloud = await stack.enter_async_context(Emulator(quick, port=None))
    await stack.enter_async_context(answered_in_process(cloud))
    account = Account(cloud)
    async with account.client() as flow:
        cloud.world.quotas["Spot"] = 10_000
        tasks = [await flow.run("true", instance_type="8xh100", upload_code=False) for _ in range(2)]
        for _ in range(2):
            await flow.create_volume(1, region=REGION)
            await flow.reserve("8xh100", 3)
        for name in ("one", "two"):
            await flow.create_platform_ssh_key(name, public_key(name))
        account.reservation_id = (await flow.list_reservations())[0].reservation_id
    account.task_id, account.user_id = tasks[0].task_id, tasks[0].created_by
    queries = {"project": cloud.project, "instance_type": H100, "region": REGION, "mode": "slots"}
    queries |= {"start_time": "2030-01-01T00:00:00Z", "end_time": "2030-01-01T03:00:00Z", "quantity": 1}
    queries |= {"earliest_start_time": "2030-01-01T00:00:00Z", "latest_end_time": "2030-01-09T00:00:00Z"}
    headers = {"Authorization": f"Bearer {cloud.api_key}"}
    async with httpx.AsyncClient(base_url=cloud.url, headers=headers) as client:
        for path in (*LISTED, *OTHERS):
            query = {"project": cloud.project} if path in LISTED else queries
            answer = await client.get(account.path(path), params=query)
            account.answers[path] = answer.raise_for_status().json()
    return account


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value could stand instead."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*at, key))


def with_value(answer: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    changed = copy.deepcopy(answer)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return changed


def files() -> set[str]:
    """Outside the state folder."""
    root, state = Path(os.environ["HOME"]).parents[3], os.environ["FLOW_STATE_DIR"]
    return {str(path) for path in root.rglob("*") if not str(path).startswith(state)}


async def read(account: Account, path: str) -> list[Any]:
    """What each reader of a path returns, or its FlowError. Anything else ends the test."""
    results: list[Any] = []
    readers = ((LISTED[path][0],) if path in LISTED else ()) + OTHERS.get(path, TASKS)
    async with account.client() as flow, asyncio.timeout(DEADLINE_S):
        for reader in readers:
            try:
                results.append(await reader(account, flow))
            except FlowError as error:
                results.append(error)
    return results


def rows_of(answer: Any) -> list[Any]:
    return answer["data"] if isinstance(answer, dict) else answer


@given(path=st.sampled_from([*LISTED, *OTHERS]), place=st.integers(0, 10_000), value=ANY)
@settings(max_examples=40, deadline=None)
def test_any_value_in_an_answer_spoils_its_own_row_at_most(
    loop: asyncio.Runner, account: Account, path: str, place: int, value: Any
) -> None:
    honest = account.answers[path]
    at = list(places(honest))
    where = at[place % len(at)]
    account.answer_with("GET", account.path(path), with_value(honest, where, value))
    before = files()
    first, *_ = loop.run(read(account, path))
    assert files() == before
    row = where[1] if where[:1] == ("data",) and len(where) > 1 else where[0] if where else None
    if path in LISTED and isinstance(row, int):
        others = [one for number, one in enumerate(rows_of(honest)) if number != row]
        ids = {one["name" if path == "/v2/quotas" else "fid"] for one in others}
        assert not isinstance(first, FlowError), str(first)
        assert ids <= set(map(LISTED[path][1], first))


@given(change=st.integers(0, 3), place=st.integers(0, 10_000), value=ANY)
@settings(max_examples=15, deadline=None)
def test_any_value_in_the_answer_to_a_change_is_a_flow_error_at_most(
    loop: asyncio.Runner, account: Account, change: int, place: int, value: Any
) -> None:
    path = sorted(CHANGES)[change]
    row = rows_of(account.answers[path])[0]
    at = list(places(row))
    account.answer_with("POST", path, with_value(row, at[place % len(at)], value))
    before = files()

    async def make() -> None:
        async with account.client() as flow, asyncio.timeout(DEADLINE_S):
            try:
                await CHANGES[path](account, flow)
            except FlowError:
                return

    loop.run(make())
    assert files() == before
