"""A user of the emulator with one project and one SSH key; each answer is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from testbed.api_description import published
from testbed.cloud import NO_TLS
from testbed.in_process_api import InProcessTransport

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.faults import Fault

H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-a"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKfLHbVm1GLYFVoS6r0R9vSH8qPUpqVkbyxgkTvxjz9f me@here"


class Account:
    """A user of the API with one project and one SSH key."""

    def __init__(self, emulator: Emulator, http: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self.http = http
        self.project = emulator.project
        self.key = ""

    async def get(self, path: str, **query: Any) -> Any:
        return (await self._good("GET", path, params=query or None)).json()

    async def post(self, path: str, body: Any, **headers: str) -> Any:
        return (await self._good("POST", path, json=body, headers=_named(headers))).json()

    async def post_nothing(self, path: str) -> None:
        await self._good("POST", path)

    async def patch(self, path: str, body: Any) -> Any:
        answer = await self._good("PATCH", path, json=body)
        return answer.json() if answer.content else None

    async def delete(self, path: str) -> None:
        await self._good("DELETE", path)

    async def refused(self, status: int, method: str, path: str, **more: Any) -> Any:
        """The detail of the refusal."""
        answer = await self.http.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return answer.json()["detail"]

    def bid(self, name: str = "train", **more: Any) -> dict[str, Any]:
        """The body of a bid that is allocated at the usual prices."""
        launch = {"volumes": more.pop("volumes", []), "ssh_keys": [self.key], **more.pop("launch", {})}
        usual = {"region": REGION, "instance_type": H100, "limit_price": "$64.00", "instance_quantity": 1}
        return {"project": self.project, "name": name, "launch_specification": launch, **usual, **more}

    async def place(self, name: str = "train", **more: Any) -> str:
        return str((await self.post("/v2/spot/bids", self.bid(name, **more)))["fid"])

    async def running(self, name: str = "train", **more: Any) -> str:
        """Places a bid and waits until its instances run."""
        bid = await self.place(name, **more)
        await self.emulator.control.advance(2.0)
        assert {one["status"] for one in await self.instances(bid)} == {"STATUS_RUNNING"}
        return bid

    async def status(self, bid: str) -> str:
        return str((await self.get(f"/v2/spot/bids/{bid}"))["status"])

    async def instances(self, bid: str) -> list[dict[str, Any]]:
        answer = await self.get("/v2/instances", project=self.project, bid_fid_in=bid, limit=100)
        return sorted(answer["data"], key=lambda one: str(one["name"]))

    async def _good(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer


@asynccontextmanager
async def checked_client(emulator: Emulator, *, has_socket: bool) -> AsyncIterator[httpx.AsyncClient]:
    """Opens a client of the API that checks every answer against the description, where there is one."""
    description, complaints = published(), list[str]()

    async def check(answer: httpx.Response) -> None:
        await answer.aread()
        path = answer.request.url.path
        is_made_up = path.startswith("/_emulator/") or answer.headers.get("x-injected")
        if description is not None and not is_made_up:
            complaints.extend(description.complaints(answer.request.method, path, answer.status_code, answer.content))

    async with httpx.AsyncClient(
        base_url=emulator.url,
        headers={"Authorization": f"Bearer {emulator.api_key}"},
        event_hooks={"response": [check]},
        transport=httpx.AsyncHTTPTransport(verify=NO_TLS) if has_socket else InProcessTransport(emulator.app),
    ) as client:
        yield client
    assert complaints == []


def injected_fault(**rule: object) -> Fault:
    """A fault whose answers aren't checked against the description."""
    return Fault.model_validate({"headers": {"x-injected": "yes"}, **rule})


async def account_with_key(emulator: Emulator, http: httpx.AsyncClient) -> Account:
    account = Account(emulator, http)
    body = {"project": account.project, "name": "mine", "public_key": PUBLIC_KEY}
    account.key = (await account.post("/v2/ssh-keys", body))["fid"]
    return account


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
