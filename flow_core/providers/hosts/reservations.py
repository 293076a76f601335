"""Reservations: GPUs of one machine that are kept for a user for some hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity.availability import Opening
from flow_core.agent.capacity.reservation_report import ReservationReport
from flow_core.agent.machine_id import make_new_id
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
from flow_core.providers.hosts.host_tasks import HostTasks, choose_error, not_found_error
from flow_core.providers.over_agent.reservation_conversion import (
    UNSUPPORTED,
    OpeningQuery,
    build_reservation_request,
    matches,
    parse_filters,
    parse_gpus,
    to_reservation,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_core.models.reservation import ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec


class HostReservations:
    """The reservations of all machines. A reservation is on one machine, which is its `region`."""

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self._context = context
        self._tasks = tasks

    async def quote(self, spec: ReservationSpec) -> None:
        """Returns None: these machines cost nothing."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """Creates a reservation on the first machine that can keep the GPUs for that time."""
        self._check_spec(spec)
        request = parse_gpus(spec.instance_type)
        infos, silent = await read_all_hosts(self._select_hosts(spec.region))
        if not infos:
            raise choose_error(list(silent.values()))
        refusals: list[FlowError] = []
        for agent, info in _sort_by_free_gpus(infos):
            fitting = tuple(gpu for gpu in info.gpus if gpu.fits(request))
            if len(fitting) < request.count * spec.quantity:
                continue
            reservation_request = build_reservation_request(spec, request, fitting)._replace(
                reservation_id=make_new_id("res")
            )
            try:
                return self._parse(agent, await agent.call("make_reservation", wish=reservation_request._asdict()))
            except CapacityError as error:
                refusals.append(error)
            except Unreachable as error:
                raise Unreachable(
                    f"{error}; {reservation_request.reservation_id} may have been made there all the same"
                ) from error
        if refusals:
            raise refusals[0]
        raise CapacityError(f"{spec.quantity} x {spec.instance_type} is more than any reachable machine has")

    async def list_reserved_gpus(self) -> list[tuple[AgentClient, frozenset[str]]]:
        """Returns the current user's active reservations on each reachable machine, with their GPUs."""
        answers, _ = await call_all([host.agent for host in self._tasks.hosts], "reservations")
        reserved = []
        for agent, answer in answers.items():
            for row in answer if isinstance(answer, list) else []:
                try:
                    report = ReservationReport.parse(row)
                except ValueError:
                    continue
                if report.status == "active" and report.owner == agent.user:
                    reserved.append((agent, frozenset(report.gpus)))
        return reserved

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        allowed = parse_filters(params)
        answers, silent = await call_all([host.agent for host in self._tasks.hosts], "reservations")
        if not answers:
            raise choose_error(list(silent.values()))
        unreadable = [
            f"{agent.name}: {why}" for agent, why in silent.items() if not isinstance(why, Unreachable | AuthError)
        ]
        reservations: dict[str, tuple[float, Reservation]] = {}
        for agent, answer in answers.items():
            for row in answer if isinstance(answer, list) else []:
                try:
                    report = ReservationReport.parse(row)
                    reservation = self._to_reservation(agent, report)
                except ValueError as error:
                    unreadable.append(f"a reservation of {agent.name} can't be read: {error}")
                    continue
                reservations.setdefault(reservation.reservation_id, (report.created_at, reservation))
        newest_first = sorted(reservations.values(), key=lambda pair: (pair[0], pair[1].reservation_id), reverse=True)
        rows = (reservation for _, reservation in newest_first)
        return Listing.of((reservation for reservation in rows if matches(reservation, allowed)), unreadable)

    async def get(self, reservation_id: str) -> Reservation:
        agent = await self.find_machine(reservation_id)
        return self._parse(agent, await agent.call("reservation", reservation_id=reservation_id))

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        query = OpeningQuery.parse(params)
        if query.region is not None and not self._find_hosts(query.region):
            return ()
        hosts = self._select_hosts(query.region)
        infos, _ = await read_all_hosts(hosts)
        fitting = {agent: [gpu.gpu_id for gpu in info.gpus if gpu.fits(query.request)] for agent, info in infos.items()}
        answers, silent = await call_all(
            [agent for agent in fitting if fitting[agent]],
            "openings",
            lambda agent: {"gpus": fitting[agent], "start": query.start, "end": query.end},
        )
        if not infos:
            raise choose_error(list(silent.values()) or [Unreachable("no machine answers")])
        slots = [slot for answer in answers.values() for slot in query.list_slots(_parse_openings(answer))]
        return tuple(sorted(slots, key=lambda slot: (slot["start_time"], -slot["quantity"])))

    async def release(self, reservation_id: str) -> None:
        agent = await self.find_machine(reservation_id)
        await agent.call("release_reservation", reservation_id=reservation_id)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        renewed = ", renewed until it is released" if spec.auto_renew else ""
        source = spec.region or "one of the machines"
        return (
            f"keep {spec.quantity} x {spec.instance_type} of {source} from {start} for {spec.duration_hours} h{renewed}"
        )

    def describe_release(self, reservation_id: str) -> str:
        return f"give the GPUs of {reservation_id} back; tasks on them go on"

    def _parse(self, agent: AgentClient, data: Any) -> Reservation:
        """Parses a reservation. Raises ProviderError."""
        try:
            return self._to_reservation(agent, ReservationReport.parse(data))
        except ValueError as error:
            raise ProviderError(f"the answer of {agent.name!r} about a reservation can't be read: {error}") from error

    def _to_reservation(self, agent: AgentClient, report: ReservationReport) -> Reservation:
        return replace(to_reservation(report, agent.name), context=self._context)

    async def find_machine(self, reservation_id: str) -> AgentClient:
        """Returns the machine of a reservation. Raises NotFound, Unreachable."""
        answers, silent = await call_all([host.agent for host in self._tasks.hosts], "reservations")
        for agent, answer in answers.items():
            rows = answer if isinstance(answer, list) else []
            if any(isinstance(row, dict) and row.get("reservation_id") == reservation_id for row in rows):
                return agent
        raise not_found_error(f"reservation {printable(repr(reservation_id[:40]))}", self._context, answers, silent)

    def _select_hosts(self, region: str | None) -> Sequence[AgentClient]:
        """Returns the machines of the region. Raises ConfigError if there is none."""
        hosts = [host.agent for host in self._tasks.hosts] if region is None else self._find_hosts(region)
        if not hosts:
            raise ConfigError(
                f"region: {printable(repr(region))} is neither a machine nor a region here", field="region"
            )
        return hosts

    def _find_hosts(self, region: Any) -> Sequence[AgentClient]:
        return [host.agent for host in self._tasks.hosts if region in (host.agent.name, host.agent.region)]

    def _check_spec(self, spec: ReservationSpec) -> None:
        check_supported(spec, UNSUPPORTED)
        if spec.project_id not in (None, self._context):
            raise ConfigError(
                f"project_id: {spec.project_id!r} is not here; this is {self._context!r}", field="project_id"
            )


def _sort_by_free_gpus(infos: Mapping[AgentClient, HostInfo]) -> list[tuple[AgentClient, HostInfo]]:
    """Sorts the machines by free GPUs, most first."""
    return sorted(infos.items(), key=lambda pair: -len(pair[1].free_gpus))


def _parse_openings(answer: Any) -> list[Opening]:
    """Returns the openings that can be parsed."""
    openings = []
    for row in answer if isinstance(answer, list) else []:
        try:
            openings.append(Opening.parse(row))
        except ValueError:
            continue
    return openings
