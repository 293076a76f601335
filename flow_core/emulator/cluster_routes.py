"""Kubernetes clusters. They are rows only; nothing runs in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.ssh_key_routes import ProjectQuery
from flow_core.emulator.http.parsing import BodyModel, parse_body, parse_query
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import IMAGE_FIDS
from flow_core.emulator.orders.launch_specification import check_ssh_keys
from flow_core.emulator.rows import ClusterRow
from flow_core.emulator.world import World, find_row

routes = Routes()


class CreateCluster(BodyModel):
    name: str
    project: str
    region: str
    ssh_keys: Annotated[list[str], Field(min_length=1)]
    instance_type: str
    k8s_version: Literal["1.34", "1.29"] = "1.34"
    image_version: str | None = None


@routes.get("/v2/kubernetes/clusters")
async def get_clusters(world: World, request: Request) -> Response:
    project = world.project(parse_query(request, ProjectQuery).project)
    return json_response([cluster.as_json() for cluster in world.clusters.values() if cluster.project == project.fid])


@routes.post("/v2/kubernetes/clusters")
async def create_cluster(world: World, request: Request) -> Response:
    body = await parse_body(request, CreateCluster)
    world.project(body.project)
    world.auction(body.instance_type, body.region)
    check_ssh_keys(world, body.ssh_keys, body.project)
    if body.image_version is not None and body.image_version not in IMAGE_FIDS:
        raise ApiError(404, f"Image version {body.image_version} not found")
    fid = world.ids.make("clust")
    cluster = world.clusters[fid] = ClusterRow(
        fid,
        body.project,
        body.name,
        body.region,
        world.now,
        body.ssh_keys,
        body.k8s_version,
        world.me.fid,
    )
    return json_response(cluster.as_json(), 201)


@routes.get("/v2/kubernetes/clusters/{cluster_fid}")
async def get_cluster(world: World, request: Request) -> Response:
    return json_response(find_row(world.clusters, request.path_params["cluster_fid"], "Kubernetes cluster").as_json())


@routes.delete("/v2/kubernetes/clusters/{cluster_fid}")
async def delete_cluster(world: World, request: Request) -> Response:
    cluster = find_row(world.clusters, request.path_params["cluster_fid"], "Kubernetes cluster")
    cluster.deleted_at = cluster.deleted_at or world.now
    return no_content()
