"""How much of each thing a project may have at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.emulator.account.ssh_keys import OfProject
from flow_core.emulator.http.checking import query_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.catalog import INSTANCE_TYPES

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
SPOT, RESERVATIONS, STORAGE = "Spot", "Reservations", "Storage"
USUAL = {SPOT: 64, RESERVATIONS: 32, STORAGE: 200_000}  # INVENTED: the platform's are not published


@routes.get("/v2/quotas")
async def get_quotas(world: World, request: Request) -> Answer:
    return answer(rows(world, world.project(query_of(request, OfProject).project).fid))


def rows(world: World, project: str) -> list[dict[str, Any]]:
    """All of a project's quotas, as the API shows them."""
    machines = [_row(world, project, product, kind.fid) for product in (SPOT, RESERVATIONS) for kind in INSTANCE_TYPES]
    return [*machines, _row(world, project, STORAGE, None)]


def spend(world: World, project: str, product: str, instance_type: str | None, quantity: int) -> None:
    """Raises Refusal where so many more are too many."""
    if _used(world, project, product, instance_type) + quantity > world.quotas[product]:
        what = f"{product} {instance_type}" if instance_type else product
        raise Refusal(400, f"Quota exceeded for {what}: at most {world.quotas[product]} at a time")


def _row(world: World, project: str, product: str, instance_type: str | None) -> dict[str, Any]:
    return {
        "fid": f"quota_{product}_{instance_type or 'GB'}",
        "project": project,
        "instance_type": instance_type,
        "product_type": product,
        "total_quantity": world.quotas[product],
        "used_quantity": _used(world, project, product, instance_type),
        "units": "instances" if instance_type else "GB",
        "name": f"{product} {instance_type or 'volumes'}",
    }


def _used(world: World, project: str, product: str, instance_type: str | None) -> int:
    if product == STORAGE:
        volumes = world.volumes.values()
        return sum(one.size_gb for one in volumes if one.project == project and one.deleted_at is None)
    return sum(
        order.quantity
        for order in world.living_orders()
        if (order.project, order.instance_type, order.product) == (project, instance_type, product)
    )
