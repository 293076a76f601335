"""Lifecycle scripts: kept and shown, never run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from flow_core.emulator.clock import stamp
from flow_core.emulator.http.checking import Body, body_of, query_of
from flow_core.emulator.http.messages import Answer, Request, answer, nothing
from flow_core.emulator.http.paging import SortedPage, page_of
from flow_core.emulator.http.router import Routes
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
Scope = Literal["PROJECT", "ORGANIZATION"]
Text = Annotated[str, Field(min_length=1)]


@dataclass(slots=True)
class Script:
    fid: str
    project: str
    name: str
    description: str
    content: str
    scope: Scope
    created_at: datetime
    created_by: str
    last_modified_at: datetime
    last_modified_by: str

    def as_json(self, url: str) -> dict[str, Any]:
        names = ("fid", "project", "name", "description", "scope", "created_by", "last_modified_by")
        return {
            **{name: getattr(self, name) for name in names},
            "content_url": f"{url}/v2/lifecycle-scripts/{self.fid}/content",
            "created_at": stamp(self.created_at),
            "last_modified_at": stamp(self.last_modified_at),
        }


class CreateScript(Body):
    project: str
    name: Text
    content: Text
    description: str | None = None
    scope: Scope = "PROJECT"


class UpdateScript(Body):
    name: Text | None = None
    description: str | None = None
    scope: Scope | None = None


class ScriptsQuery(SortedPage):
    project: str
    sort_by: Literal["created_at", "last_modified_at"] | None = None

    def key(self, script: Script) -> tuple[float, str]:
        return getattr(script, self.sort_by or "created_at").timestamp(), script.fid


@routes.get("/v2/lifecycle-scripts")
async def get_scripts(world: World, request: Request) -> Answer:
    query = query_of(request, ScriptsQuery)
    world.project(query.project)
    rows = (one for one in world.scripts.values() if one.project == query.project or one.scope == "ORGANIZATION")
    page, cursor = page_of(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return answer({"data": [one.as_json(world.url) for one in page], "next_cursor": cursor})


@routes.post("/v2/lifecycle-scripts")
async def create_script(world: World, request: Request) -> Answer:
    wanted = body_of(request, CreateScript)
    world.project(wanted.project)
    fid, me, now = world.fids.make("ls"), world.me.fid, world.now
    text = wanted.description or ""
    script = Script(fid, wanted.project, wanted.name, text, wanted.content, wanted.scope, now, me, now, me)
    world.scripts[fid] = script
    return answer(script.as_json(world.url), 201)


@routes.get("/v2/lifecycle-scripts/{ls_fid}/content")
async def get_content(world: World, request: Request) -> Answer:
    return answer(known(world.scripts, request["ls_fid"], "Lifecycle script").content)


@routes.patch("/v2/lifecycle-scripts/{ls_fid}")
async def update_script(world: World, request: Request) -> Answer:
    wanted = body_of(request, UpdateScript)
    script = known(world.scripts, request["ls_fid"], "Lifecycle script")
    for name, value in wanted.model_dump(exclude_none=True).items():
        setattr(script, name, value)
    script.last_modified_at, script.last_modified_by = world.now, world.me.fid
    return answer(script.as_json(world.url))


@routes.delete("/v2/lifecycle-scripts/{ls_fid}")
async def delete_script(world: World, request: Request) -> Answer:
    known(world.scripts, request["ls_fid"], "Lifecycle script")
    del world.scripts[request["ls_fid"]]
    return nothing()
