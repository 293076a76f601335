"""What the published description doesn't have and clients of the platform call all the same."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from flow_core.emulator.account.people import Person
from flow_core.emulator.account.quotas import rows
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.catalog import REGIONS

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


@routes.get("/marketplace/v1/regions")
async def get_regions(world: World, request: Request) -> Answer:
    return answer(
        [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, region.name)),
                "name": region.name,
                "block_storage_enabled": True,
                "fileshare_storage_enabled": region.has_file_shares,
                "k8s_enabled": True,
                "max_volume_size_tb": 32,
                "max_volume_name_length": 64,
            }
            for region in REGIONS
        ]
    )


@routes.get("/v2/cpu/instance-types")
@routes.get("/v2/cpu/regions")
async def get_cpu_offers(world: World, request: Request) -> Answer:
    """There are none: this platform rents GPUs only."""
    return answer([])


@routes.get("/users/{user}/teammates")
async def get_teammates(world: World, request: Request) -> Answer:
    _person(world, request["user"])
    return answer([person.as_teammate() for person in world.people])


@routes.get("/v2/users/{user}")
async def get_user(world: World, request: Request) -> Answer:
    return answer(_person(world, request["user"]).as_me())


@routes.get("/v2/organizations/{organization}/quotas")
async def get_quotas(world: World, request: Request) -> Answer:
    if request["organization"] != world.me.organization_id:
        raise Refusal(404, "Organization not found")
    return answer([row for project in world.projects for row in rows(world, project)])


def _person(world: World, name: str) -> Person:
    """By its uuid, its fid, or that without its prefix."""
    for person in world.people:
        if name in (person.id, person.fid, person.fid.removeprefix("user_")):
            return person
    raise Refusal(404, "User not found")
