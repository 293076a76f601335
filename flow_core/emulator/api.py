"""From a request to its answer: who asks, what goes wrong on purpose, and which route it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import partial

from flow_core.emulator import control_routes, lifecycle_scripts, undocumented
from flow_core.emulator.account import api_keys, people, projects, quotas, ssh_keys
from flow_core.emulator.account.api_keys import let_in
from flow_core.emulator.http.messages import Answer, Refusal, Request
from flow_core.emulator.http.router import Router
from flow_core.emulator.market import images, prices, shelf
from flow_core.emulator.orders import bid_routes, clusters, instance_changes, instance_history, instance_routes
from flow_core.emulator.reservations import availability
from flow_core.emulator.reservations import changes as reservation_changes
from flow_core.emulator.reservations import routes as reservations
from flow_core.emulator.storage import volume_routes
from flow_core.emulator.world import World

CONTROL = "/_emulator/"
_KEPT = 10_000
_RESOURCES = (
    api_keys.routes,
    people.routes,
    projects.routes,
    quotas.routes,
    ssh_keys.routes,
    images.routes,
    prices.routes,
    shelf.routes,
    bid_routes.routes,
    clusters.routes,
    instance_changes.routes,
    instance_history.routes,
    instance_routes.routes,
    availability.routes,
    reservation_changes.routes,
    reservations.routes,
    volume_routes.routes,
    lifecycle_scripts.routes,
    undocumented.routes,
    control_routes.routes,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was answered, or cut off with what would have been its answer."""

    method: str
    path: str
    query: dict[str, list[str]]
    status: int
    request_id: str


class Api:
    """`calls` are the last ones, without those to the control endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: deque[Call] = deque(maxlen=_KEPT)
        self._router = Router(*_RESOURCES)
        self._count = 0

    async def answer(self, request: Request) -> Answer:
        self._count += 1
        request_id = f"req_{self._count:08d}"
        is_control = request.path.startswith(CONTROL)
        fault = None if is_control else self._world.faults.take(request)
        do = partial(self._proper, request)
        answer = await (do() if fault is None else fault.spoil(do))
        if not is_control:
            self.calls.append(Call(request.method, request.path, request.query, answer.status, request_id))
        return replace(answer, headers=(*answer.headers, ("x-request-id", request_id)))

    async def _proper(self, request: Request) -> Answer:
        try:
            handler, args = self._router.find(request.method, request.path)
            let_in(self._world, request)
            return await handler(self._world, replace(request, args=args))
        except Refusal as refusal:
            return refusal.answer
