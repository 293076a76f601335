"""Who asks, and with whom they work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_core.emulator.clock import stamp_or_none
from flow_core.emulator.fids import Fids
from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.router import Routes

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


@dataclass(slots=True)
class Person:
    id: str
    fid: str
    user_name: str
    email: str
    organization_id: str
    organization_role: str
    project_ids: tuple[str, ...]
    deactivated_at: datetime | None = None

    def as_me(self) -> dict[str, Any]:
        names = ("id", "fid", "email", "user_name", "organization_id", "organization_role")
        return {name: getattr(self, name) for name in names}

    def as_teammate(self) -> dict[str, Any]:
        names = ("id", "fid", "user_name", "email", "organization_role")
        return {
            **{name: getattr(self, name) for name in names},
            "project_ids": list(self.project_ids),
            "deactivated_at": stamp_or_none(self.deactivated_at),
        }


def hire(fids: Fids, names_and_roles: tuple[tuple[str, str], ...], project_ids: tuple[str, ...]) -> list[Person]:
    """The people of one organization."""
    organization = fids.uuid()
    return [
        Person(fids.uuid(), fids.make("user"), name, f"{name}@lab.example", organization, role, project_ids)
        for name, role in names_and_roles
    ]


@routes.get("/v2/me")
async def get_me(world: World, request: Request) -> Answer:
    return answer(world.me.as_me())


@routes.get("/v2/me/teammates")
async def get_teammates(world: World, request: Request) -> Answer:
    return answer([person.as_teammate() for person in world.people])
