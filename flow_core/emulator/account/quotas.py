"""Quotas: how much of each product a project may have at a time."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.ssh_key_routes import ProjectQuery
from flow_core.emulator.http.parsing import parse_query
from flow_core.emulator.http.responses import ApiError, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import INSTANCE_TYPES, RESERVATIONS, SPOT, STORAGE
from flow_core.emulator.world import World

routes = Routes()


@routes.get("/v2/quotas")
async def get_quotas(world: World, request: Request) -> Response:
    return json_response(quota_rows(world, world.project(parse_query(request, ProjectQuery).project).fid))


def quota_rows(world: World, project: str) -> list[dict[str, Any]]:
    """Returns all quotas of a project, as the API shows them."""
    machines = [_row(world, project, product, kind.fid) for product in (SPOT, RESERVATIONS) for kind in INSTANCE_TYPES]
    return [*machines, _row(world, project, STORAGE, None)]


def check_quota(world: World, project: str, product: str, instance_type: str | None, quantity: int) -> None:
    """Raises ApiError if the quota has no room for this quantity."""
    if _count_used(world, project, product, instance_type) + quantity > world.quotas[product]:
        what = f"{product} {instance_type}" if instance_type else product
        raise ApiError(400, f"Quota exceeded for {what}: at most {world.quotas[product]} at a time")


def _row(world: World, project: str, product: str, instance_type: str | None) -> dict[str, Any]:
    return {
        "fid": f"quota_{product}_{instance_type or 'GB'}",
        "project": project,
        "instance_type": instance_type,
        "product_type": product,
        "total_quantity": world.quotas[product],
        "used_quantity": _count_used(world, project, product, instance_type),
        "units": "instances" if instance_type else "GB",
        "name": f"{product} {instance_type or 'volumes'}",
    }


def _count_used(world: World, project: str, product: str, instance_type: str | None) -> int:
    if product == STORAGE:
        volumes = world.volumes.values()
        return sum(one.size_gb for one in volumes if one.project == project and one.deleted_at is None)
    return sum(
        order.quantity
        for order in world.active_orders()
        if (order.project, order.instance_type, order.product) == (project, instance_type, product)
    )
