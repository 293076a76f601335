"""Lifecycle scripts. They are stored and shown, never run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.paging import SortedPageQuery, paginate
from flow_core.emulator.http.parsing import BodyModel, parse_body, parse_query
from flow_core.emulator.http.responses import json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.rows import ScriptRow, ScriptScope
from flow_core.emulator.world import World, find_row

routes = Routes()
Text = Annotated[str, Field(min_length=1)]


class CreateScript(BodyModel):
    project: str
    name: Text
    content: Text
    description: str | None = None
    scope: ScriptScope = "PROJECT"


class UpdateScript(BodyModel):
    name: Text | None = None
    description: str | None = None
    scope: ScriptScope | None = None


class ScriptsQuery(SortedPageQuery):
    project: str
    sort_by: Literal["created_at", "last_modified_at"] | None = None

    def key(self, script: ScriptRow) -> tuple[float, str]:
        return getattr(script, self.sort_by or "created_at").timestamp(), script.fid


@routes.get("/v2/lifecycle-scripts")
async def get_scripts(world: World, request: Request) -> Response:
    query = parse_query(request, ScriptsQuery)
    world.project(query.project)
    rows = (one for one in world.scripts.values() if one.project == query.project or one.scope == "ORGANIZATION")
    page, cursor = paginate(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return json_response({"data": [one.as_json(world.url) for one in page], "next_cursor": cursor})


@routes.post("/v2/lifecycle-scripts")
async def create_script(world: World, request: Request) -> Response:
    body = await parse_body(request, CreateScript)
    world.project(body.project)
    fid, me, now = world.ids.make("ls"), world.me.fid, world.now
    text = body.description or ""
    script = ScriptRow(fid, body.project, body.name, text, body.content, body.scope, now, me, now, me)
    world.scripts[fid] = script
    return json_response(script.as_json(world.url), 201)


@routes.get("/v2/lifecycle-scripts/{ls_fid}/content")
async def get_content(world: World, request: Request) -> Response:
    return json_response(find_row(world.scripts, request.path_params["ls_fid"], "Lifecycle script").content)


@routes.patch("/v2/lifecycle-scripts/{ls_fid}")
async def update_script(world: World, request: Request) -> Response:
    body = await parse_body(request, UpdateScript)
    script = find_row(world.scripts, request.path_params["ls_fid"], "Lifecycle script")
    for name, value in body.model_dump(exclude_none=True).items():
        setattr(script, name, value)
    script.last_modified_at, script.last_modified_by = world.now, world.me.fid
    return json_response(script.as_json(world.url))


@routes.delete("/v2/lifecycle-scripts/{ls_fid}")
async def delete_script(world: World, request: Request) -> Response:
    find_row(world.scripts, request.path_params["ls_fid"], "Lifecycle script")
    del world.scripts[request.path_params["ls_fid"]]
    return no_content()
