"""Kubernetes clusters: rows only, nothing runs in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from flow_core.emulator.account.ssh_keys import OfProject
from flow_core.emulator.clock import stamp, stamp_or_none
from flow_core.emulator.http.checking import Body, body_of, query_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.images import IMAGE_FIDS
from flow_core.emulator.orders.launch import check_ssh_keys
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


@dataclass(slots=True)
class Cluster:
    fid: str
    project: str
    name: str
    region: str
    created_at: datetime
    ssh_keys: list[str]
    k8s_version: str
    user: str
    deleted_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        is_up = self.deleted_at is None
        return {
            "fid": self.fid,
            "project": self.project,
            "name": self.name,
            "region": self.region,
            "created_at": stamp(self.created_at),
            "kube_host": None,
            "ssh_keys": self.ssh_keys,
            "instances": [],
            "join_command": None,
            "status": "Available" if is_up else "Terminated",
            "deleted_at": stamp_or_none(self.deleted_at),
            "k8s_version": self.k8s_version,
            "user_fid": self.user,
        }


class CreateCluster(Body):
    name: str
    project: str
    region: str
    ssh_keys: Annotated[list[str], Field(min_length=1)]
    instance_type: str
    k8s_version: Literal["1.34", "1.29"] = "1.34"
    image_version: str | None = None


@routes.get("/v2/kubernetes/clusters")
async def get_clusters(world: World, request: Request) -> Answer:
    project = world.project(query_of(request, OfProject).project)
    return answer([cluster.as_json() for cluster in world.clusters.values() if cluster.project == project.fid])


@routes.post("/v2/kubernetes/clusters")
async def create_cluster(world: World, request: Request) -> Answer:
    wanted = body_of(request, CreateCluster)
    world.project(wanted.project)
    world.auction(wanted.instance_type, wanted.region)
    check_ssh_keys(world, wanted.ssh_keys, wanted.project)
    if wanted.image_version is not None and wanted.image_version not in IMAGE_FIDS:
        raise Refusal(404, f"Image version {wanted.image_version} not found")
    fid = world.fids.make("clust")
    cluster = world.clusters[fid] = Cluster(
        fid,
        wanted.project,
        wanted.name,
        wanted.region,
        world.now,
        wanted.ssh_keys,
        wanted.k8s_version,
        world.me.fid,
    )
    return answer(cluster.as_json(), 201)


@routes.get("/v2/kubernetes/clusters/{cluster_fid}")
async def get_cluster(world: World, request: Request) -> Answer:
    return answer(known(world.clusters, request["cluster_fid"], "Kubernetes cluster").as_json())


@routes.delete("/v2/kubernetes/clusters/{cluster_fid}")
async def delete_cluster(world: World, request: Request) -> Answer:
    cluster = known(world.clusters, request["cluster_fid"], "Kubernetes cluster")
    cluster.deleted_at = cluster.deleted_at or world.now
    return nothing()
