"""Fills an emulator with one or two of each thing, so that a fuzzer finds something."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from testbed.emulator_account import H100, REGION
from testbed.waiting import DEADLINE_S

from flow_core.emulator.emulator import Emulator

ADJUSTABLE = {"instance_type": "it_tcjiKnwIK0jX21t3", "region": "us-central2-a"}  # its memory is
Words = dict[str, list[str]]


@dataclass(frozen=True)
class Furnishing:
    """Values that name existing things, by place in a request; `words_of` replaces them for some operations."""

    words: Words
    words_of: dict[str, Words]


async def furnish(emulator: Emulator) -> Furnishing:
    headers = {"Authorization": f"Bearer {emulator.api_key}"}
    async with httpx.AsyncClient(base_url=emulator.url, headers=headers) as http:
        return await _Furnisher(http, emulator.project).furnish()


class _Furnisher:
    def __init__(self, http: httpx.AsyncClient, project: str) -> None:
        self._http = http
        self._now = datetime.now(UTC)
        self._usual = {"project": project, "name": "fuzzed"}
        self._key = ""
        self._made = 0

    async def furnish(self) -> Furnishing:
        staying = await self._things()
        deleted = await self._things()
        [paused] = await self._instances(await self._reservation())
        await self._http.patch("/v2/instances", json={"instances": [paused], "status": "STATUS_PAUSED"})
        deletions = {f"DELETE {_path(place)}": {place: fids} for place, fids in deleted.items() if "_fid" in place}
        there = {**self._usual, "region": ADJUSTABLE["region"]}
        volume = await self._make("volumes", {**there, "size_gb": 10, "disk_interface": "Block"})
        one = "/v2/reservation/{reservation_fid}"
        extensions = [self._in(hours=hours) for hours in range(7, 47)]
        return Furnishing(
            {**staying, **await self._usual_words(staying)},
            {
                **deletions,
                "PATCH /v2/spot/bids/{bid_fid}": {"body.volumes[*]": [volume]},
                "POST /v2/instances/{instance_fid}/refresh-boot-disk": {"path.instance_fid": [paused]},
                f"POST {one}/extend": {"body.end_time": extensions},
                f"POST {one}/terminate-instances": {
                    "path.reservation_fid": deleted["path.reservation_fid"],
                    "body.instances[*]": deleted["body.instances[*]"],
                },
            },
        )

    async def _things(self) -> Words:
        """Creates one of each."""
        key = self._key = await self._ssh_key()
        there = {**self._usual, "region": REGION, "instance_type": H100}
        api_key = {"name": "fuzzed", "expires_at": self._in(days=1)}
        reservation = await self._reservation()
        made = {
            "path.key_fid": await self._make("api-keys", api_key),
            "path.bid_fid": await self._make("spot/bids", {**self._order(), **ADJUSTABLE, "limit_price": "$50.00"}),
            "path.volume_fid": await self._make("volumes", {**there, "size_gb": 10, "disk_interface": "File"}),
            "path.ls_fid": await self._make("lifecycle-scripts", {**self._usual, "content": "true"}),
            "path.cluster_fid": await self._make("kubernetes/clusters", {**there, "ssh_keys": [key]}),
            "path.ssh_key_fid": await self._ssh_key(),
            "path.reservation_fid": reservation,
        }
        instances = await self._instances(reservation)
        lists = {"body.instances[*]": instances, "body.ssh_keys[*]": [key]}
        return {**{place: [fid] for place, fid in made.items()}, **lists}

    async def _ssh_key(self) -> str:
        self._made += 1
        return await self._make("ssh-keys", {**self._usual, "name": f"fuzzed-{self._made}"})

    async def _usual_words(self, things: Words) -> Words:
        me = (await self._http.get("/v2/me")).json()
        image = (await self._http.get("/v2/image-versions")).json()[0]["image_version_fid"]
        launch, volume, key = "body.launch_specification", things["path.volume_fid"], things["body.ssh_keys[*]"]
        return {
            "path.instance_fid": things["body.instances[*]"],
            "path.user": [me["fid"], me["id"]],
            "path.organization": [me["organization_id"]],
            "body.volumes[*]": volume,
            "body.image_version": [image],
            f"{launch}.ssh_keys[*]": key,
            f"{launch}.volumes[*]": volume,
            f"{launch}.image_version": [image],
            f"{launch}.kubernetes_cluster": things["path.cluster_fid"],
            f"{launch}.startup_script": ["#!/bin/bash\ntrue"],
            "body.limit_price": ["$60.00"],
            "body.expires_at": [self._in(days=1)],
            **_everywhere("project", self._usual["project"]),
            **_everywhere("instance_type", H100),
            **_everywhere("region", REGION),
            **_everywhere("start_time", self._in(hours=1)),
            **_everywhere("end_time", self._in(hours=5)),
            "query.earliest_start_time": [self._in(hours=1)],
            "query.latest_end_time": [self._in(days=2)],
        }

    def _in(self, **span: float) -> str:
        return (self._now + timedelta(**span)).isoformat()

    def _order(self) -> dict[str, Any]:
        launch = {"volumes": [], "ssh_keys": [self._key]}
        where = {"region": REGION, "instance_type": H100}
        return {**self._usual, **where, "instance_quantity": 1, "launch_specification": launch}

    async def _reservation(self) -> str:
        span = {"start_time": self._in(), "end_time": self._in(hours=6)}
        return await self._make("reservation", {**self._order(), **span})

    async def _make(self, what: str, body: dict[str, Any]) -> str:
        answer = await self._http.post(f"/v2/{what}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["fid"])

    async def _instances(self, reservation: str) -> list[str]:
        """Waits until the instances of a reservation run."""
        query = {"project": self._usual["project"], "reservation_fid_in": reservation, "status_in": "STATUS_RUNNING"}
        async with asyncio.timeout(DEADLINE_S):
            while not (rows := (await self._http.get("/v2/instances", params=query)).json()["data"]):
                await asyncio.sleep(0.01)
        return [str(one["fid"]) for one in rows]


def _everywhere(name: str, value: str) -> Words:
    return {f"{place}.{name}": [value] for place in ("query", "body")}


def _path(place: str) -> str:
    """The path that deletes the thing named at this place of a request."""
    folders = {
        "key_fid": "api-keys",
        "bid_fid": "spot/bids",
        "volume_fid": "volumes",
        "ls_fid": "lifecycle-scripts",
        "cluster_fid": "kubernetes/clusters",
        "ssh_key_fid": "ssh-keys",
        "reservation_fid": "reservation",
    }
    name = place.removeprefix("path.")
    return f"/v2/{folders[name]}/{{{name}}}"
