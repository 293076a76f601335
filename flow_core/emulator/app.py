"""The API as an ASGI app: every resource's routes behind the API key and the faults."""

from __future__ import annotations

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from flow_core.emulator import (
    cluster_routes,
    control_routes,
    lifecycle_script_routes,
    undocumented,
    volume_routes,
)
from flow_core.emulator.account import api_key_routes, identity_routes, quotas, ssh_key_routes
from flow_core.emulator.account.api_key_routes import check_api_key
from flow_core.emulator.http.fault_middleware import FaultMiddleware
from flow_core.emulator.http.responses import ApiError, error_response
from flow_core.emulator.http.routing import starlette_routes
from flow_core.emulator.market import availability_routes, price_routes
from flow_core.emulator.orders import bid_routes, instance_action_routes, instance_routes
from flow_core.emulator.reservations import availability
from flow_core.emulator.reservations import changes as reservation_changes
from flow_core.emulator.reservations import routes as reservation_routes
from flow_core.emulator.world import World

_RESOURCES = (
    api_key_routes.routes,
    identity_routes.routes,
    quotas.routes,
    ssh_key_routes.routes,
    availability_routes.routes,
    price_routes.routes,
    bid_routes.routes,
    cluster_routes.routes,
    instance_action_routes.routes,
    instance_routes.routes,
    availability.routes,
    reservation_changes.routes,
    reservation_routes.routes,
    volume_routes.routes,
    lifecycle_script_routes.routes,
    undocumented.routes,
    control_routes.routes,
)


def create_app(world: World) -> ASGIApp:
    routes = starlette_routes(world, check_api_key, _RESOURCES)
    router = Router(routes, redirect_slashes=False, default=_not_found)
    return FaultMiddleware(ExceptionMiddleware(router, {ApiError: error_response}), world.faults)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    raise ApiError(404, "Not Found")
