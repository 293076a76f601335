"""Projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_core.emulator.clock import stamp
from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.router import Routes

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


@dataclass(frozen=True, slots=True)
class Project:
    fid: str
    name: str
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {"fid": self.fid, "name": self.name, "created_at": stamp(self.created_at)}


@routes.get("/v2/projects")
async def get_projects(world: World, request: Request) -> Answer:
    return answer([project.as_json() for project in world.projects.values()])
