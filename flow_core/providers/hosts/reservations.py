"""Reservations: GPUs of one machine kept for somebody's hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity.availability import Opening
from flow_core.agent.capacity.reservation_report import ReservationReport
from flow_core.agent.machine import new_id
from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    FlowError,
    ProviderError,
    Unreachable,
    printable,
)
from flow_core.models.reservation import Reservation
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.supported_fields import check_supported
from flow_core.providers.hosts.agent_client import AgentClient, call_all
from flow_core.providers.hosts.host_info import HostInfo, read_all_hosts
from flow_core.providers.hosts.host_tasks import HostTasks, most_actionable, not_found
from flow_core.providers.over_agent.reservation_conversion import (
    UNSUPPORTED,
    OpeningQuery,
    make_wish,
    matches,
    parse_filters,
    parse_gpus,
    reservation_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_core.models.reservation import ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec


class HostReservations:
    """`region` is the machine of a reservation. All of it lies on one machine."""

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self._context = context
        self._tasks = tasks

    async def quote(self, spec: ReservationSpec) -> None:
        """These machines are paid for."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """On the first machine that can keep so many GPUs for that time."""
        self._check(spec)
        request = parse_gpus(spec.instance_type)
        seen, silent = await read_all_hosts(self._hosts(spec.region))
        if not seen:
            raise most_actionable(list(silent.values()))
        refusals: list[FlowError] = []
        for agent, info in _by_room(seen):
            fitting = tuple(gpu for gpu in info.gpus if gpu.fits(request))
            if len(fitting) < request.count * spec.quantity:
                continue
            wish = make_wish(spec, request, fitting)._replace(reservation_id=new_id("res"))
            try:
                return self._read(agent, await agent.call("make_reservation", wish=wish._asdict()))
            except CapacityError as error:
                refusals.append(error)
            except Unreachable as error:
                raise Unreachable(f"{error}; {wish.reservation_id} may have been made there all the same") from error
        if refusals:
            raise refusals[0]
        raise CapacityError(f"{spec.quantity} x {spec.instance_type} is more than any reachable machine has")

    async def of_user(self) -> list[tuple[AgentClient, frozenset[str]]]:
        """The active ones of whoever we are on each machine that answers: the machine, and the GPUs that are kept."""
        answers, _ = await call_all([view.agent for view in self._tasks.views], "reservations")
        found = []
        for agent, answer in answers.items():
            for said in answer if isinstance(answer, list) else []:
                try:
                    report = ReservationReport.parse(said)
                except ValueError:
                    continue
                if report.status == "active" and report.owner == agent.user:
                    found.append((agent, frozenset(report.gpus)))
        return found

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        wanted = parse_filters(params)
        answers, silent = await call_all([view.agent for view in self._tasks.views], "reservations")
        if not answers:
            raise most_actionable(list(silent.values()))
        unreadable = [
            f"{agent.name}: {why}" for agent, why in silent.items() if not isinstance(why, Unreachable | AuthError)
        ]
        found: dict[str, tuple[float, Reservation]] = {}
        for agent, answer in answers.items():
            for said in answer if isinstance(answer, list) else []:
                try:
                    report = ReservationReport.parse(said)
                    one = self._made(agent, report)
                except ValueError as error:
                    unreadable.append(f"a reservation of {agent.name} can't be read: {error}")
                    continue
                found.setdefault(one.reservation_id, (report.created_at, one))
        newest_first = sorted(found.values(), key=lambda pair: (pair[0], pair[1].reservation_id), reverse=True)
        rows = (one for _, one in newest_first)
        return Listing.of((one for one in rows if matches(one, wanted)), unreadable)

    async def get(self, reservation_id: str) -> Reservation:
        agent = await self.home(reservation_id)
        return self._read(agent, await agent.call("reservation", reservation_id=reservation_id))

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        query = OpeningQuery.parse(params)
        if query.region is not None and not self._named(query.region):
            return ()
        hosts = self._hosts(query.region)
        seen, _ = await read_all_hosts(hosts)
        fitting = {agent: [gpu.gpu_id for gpu in info.gpus if gpu.fits(query.request)] for agent, info in seen.items()}
        answers, silent = await call_all(
            [agent for agent in fitting if fitting[agent]],
            "openings",
            lambda agent: {"gpus": fitting[agent], "start": query.start, "end": query.end},
        )
        if not seen:
            raise most_actionable(list(silent.values()) or [Unreachable("no machine answers")])
        slots = [slot for answer in answers.values() for slot in query.slots(_openings(answer))]
        return tuple(sorted(slots, key=lambda slot: (slot["start_time"], -slot["quantity"])))

    async def release(self, reservation_id: str) -> None:
        agent = await self.home(reservation_id)
        await agent.call("release_reservation", reservation_id=reservation_id)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        renewed = ", renewed until it is released" if spec.auto_renew else ""
        where = spec.region or "one of the machines"
        return (
            f"keep {spec.quantity} x {spec.instance_type} of {where} from {start} for {spec.duration_hours} h{renewed}"
        )

    def describe_release(self, reservation_id: str) -> str:
        return f"give the GPUs of {reservation_id} back; tasks on them go on"

    def _read(self, agent: AgentClient, said: Any) -> Reservation:
        """Raises ProviderError."""
        try:
            return self._made(agent, ReservationReport.parse(said))
        except ValueError as error:
            raise ProviderError(f"what {agent.name!r} says of a reservation can't be read: {error}") from error

    def _made(self, agent: AgentClient, report: ReservationReport) -> Reservation:
        return replace(reservation_of(report, agent.name), context=self._context)

    async def home(self, reservation_id: str) -> AgentClient:
        """The machine that keeps it. Raises NotFound, Unreachable."""
        answers, silent = await call_all([view.agent for view in self._tasks.views], "reservations")
        for agent, answer in answers.items():
            found = answer if isinstance(answer, list) else []
            if any(isinstance(one, dict) and one.get("reservation_id") == reservation_id for one in found):
                return agent
        raise not_found(f"reservation {printable(repr(reservation_id[:40]))}", self._context, answers, silent)

    def _hosts(self, region: str | None) -> Sequence[AgentClient]:
        """Raises ConfigError."""
        hosts = [view.agent for view in self._tasks.views] if region is None else self._named(region)
        if not hosts:
            raise ConfigError(f"region: {printable(repr(region))} is no machine and no region here", field="region")
        return hosts

    def _named(self, region: Any) -> Sequence[AgentClient]:
        return [view.agent for view in self._tasks.views if region in (view.agent.name, view.agent.region)]

    def _check(self, spec: ReservationSpec) -> None:
        check_supported(spec, UNSUPPORTED)
        if spec.project_id not in (None, self._context):
            raise ConfigError(
                f"project_id: {spec.project_id!r} is not here; this is {self._context!r}", field="project_id"
            )


def _by_room(seen: Mapping[AgentClient, HostInfo]) -> list[tuple[AgentClient, HostInfo]]:
    """Those with most free GPUs first."""
    return sorted(seen.items(), key=lambda pair: -len(pair[1].free_gpus))


def _openings(answer: Any) -> list[Opening]:
    """Those that can be read."""
    found = []
    for said in answer if isinstance(answer, list) else []:
        try:
            found.append(Opening.parse(said))
        except ValueError:
            continue
    return found
