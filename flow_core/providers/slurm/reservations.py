"""The reservations of the cluster: all are listed, and an operator can make and release them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound, ProviderError, Unreachable, printable
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported
from flow_core.providers.over_agent.reservation_conversion import matches, parse_filters
from flow_core.providers.slurm.discovery.node_calendar import NodeCalendar, build_calendar
from flow_core.providers.slurm.discovery.node_choice import NodePool, list_pools
from flow_core.providers.slurm.discovery.reservation_query import SlotQuery, parse_node_type
from flow_core.providers.slurm.discovery.reservation_refusals import build_reservation_refusal
from flow_core.providers.slurm.discovery.reservation_rows import (
    ListedReservation,
    build_reservation,
    parse_reservations,
)
from flow_core.providers.slurm.queue.records import make_token, split_sections
from flow_core.providers.slurm.queue.wording import format_moment
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.models.reservation import ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.providers.slurm.discovery.cluster_reader import ClusterReader, ClusterState
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.settings import SlurmSettings

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]{0,63}")
_CREATED = re.compile(r"^Reservation created: (.+)$", re.MULTILINE)
_HOLDS_NODES = "a reservation of a Slurm cluster holds nodes, and takes nothing along"
UNSUPPORTED: tuple[UnsupportedField[ReservationSpec], ...] = (
    UnsupportedField("ssh_keys", lambda spec: spec.ssh_keys, _HOLDS_NODES),
    UnsupportedField("volumes", lambda spec: spec.volumes, _HOLDS_NODES),
    UnsupportedField("startup_script", lambda spec: spec.startup_script, _HOLDS_NODES),
    UnsupportedField("project_id", lambda spec: spec.project_id, "a reservation here is for your user; leave it out"),
    UnsupportedField(
        "auto_renew", lambda spec: spec.auto_renew, "Slurm doesn't extend reservations; ask for more hours instead"
    ),
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the cluster has reserved. `jobs` are the nodes and the ends of running jobs, if they were asked for."""

    rows: tuple[ListedReservation, ...]
    unreadable: int
    jobs: str


class SlurmReservations:
    """The reservations of the whole cluster. The id of a reservation is its name, and its region is its partition.

    A new one holds whole nodes, for this user. A reservation that this client released is known until the client ends.
    """

    def __init__(
        self, login_node: LoginNode, reader: ClusterReader, settings: SlurmSettings, context_name: str
    ) -> None:
        self._login_node = login_node
        self._reader = reader
        self._settings = settings
        self._context = context_name
        self._released: dict[str, Reservation] = {}
        self._repeating: set[str] = set()

    async def quote(self, spec: ReservationSpec) -> None:
        """Returns None: nodes of a cluster cost nothing."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """Reserves as few whole nodes as hold the instances. Raises AuthError if only an operator may do that."""
        check_supported(spec, UNSUPPORTED)
        name = _check_name(spec.name)
        now = datetime.now(UTC)
        start = now if spec.start_time_utc is None else spec.start_time_utc
        if spec.start_time_utc is not None and start < now:
            raise ConfigError("start_time_utc: is in the past; leave it out to start now", field="start_time_utc")
        end = start + timedelta(hours=spec.duration_hours)
        state = await self._reader.read(max_age_s=0)
        answer = await self._ask(has_jobs=True)
        calendar = build_calendar(state.nodes, answer.rows, answer.jobs, now)
        partition, nodes = self._choose_nodes(spec, state, calendar, start, end)
        words = _list_words(name, spec, ",".join(nodes), partition)
        created = await self._change(f'create reservation {" ".join(map(quote_word, words))} Users="$(id -un)"')
        return await self._find_created(created, words)

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        allowed = parse_filters(params)
        state = await self._reader.read()
        answer = await self._ask()
        self._forget_replaced(answer.rows)
        self._repeating = {row.name for row in answer.rows if row.repeats_after is not None}
        live = {row.name: row for row in answer.rows if row.name not in self._released}
        now, nodes = datetime.now(UTC), {node.name: node for node in state.nodes}
        found = [build_reservation(row, nodes, self._context, now) for row in live.values()]
        found += self._released.values()
        found.sort(key=lambda one: (one.start_time_utc, one.reservation_id), reverse=True)
        notes = [f"{answer.unreadable} of the reservations can't be read"] if answer.unreadable else []
        return Listing.of((one for one in found if matches(one, allowed)), notes)

    async def get(self, reservation_id: str) -> Reservation:
        for reservation in await self.list({}):
            if reservation.reservation_id == reservation_id:
                return reservation
        raise NotFound(f"no reservation {printable(repr(reservation_id[:40]))} in context {self._context!r}")

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Returns the periods in which whole nodes are free of reservations and of the jobs that run now.

        A job counts as running until its time limit. Pending jobs count for nothing: a reservation goes first.
        """
        now = datetime.now(UTC)
        query = SlotQuery.parse(params, now)
        state = await self._reader.read()
        if query.region is not None and query.region not in {partition.name for partition in state.partitions}:
            return ()
        pools = list_pools(state, query.request, query.region, self._settings.partition)
        pool = next((pool for pool in pools if pool.total >= query.quantity), None)
        if pool is None or query.start >= query.end:
            return ()
        answer = await self._ask(has_jobs=True)
        calendar = build_calendar(state.nodes, answer.rows, answer.jobs, now)
        slots = calendar.list_slots(pool.capacities, query.start, query.end)
        return tuple(
            {"start_time": start.isoformat(), "end_time": end.isoformat(), "quantity": quantity}
            for start, end, quantity in slots
            if quantity >= query.quantity
        )

    async def release(self, reservation_id: str) -> None:
        """Deletes a reservation; ends it now if tasks run in it. Raises Conflict for one that also repeats."""
        reservation = await self.get(reservation_id)
        if reservation.status.is_final:
            return
        name = quote_word(f"ReservationName={reservation_id}")
        try:
            await self._change(f"delete {name}")
        except Conflict:
            if reservation_id in self._repeating:
                raise Conflict(
                    f"tasks run in reservation {printable(reservation_id)}, which repeats; release it again once they"
                    " have ended"
                ) from None
            await self._change(f"update {name} EndTime=now")
        except NotFound:
            pass  # somebody else released it meanwhile
        self._released[reservation_id] = replace(reservation, status=ReservationStatus.CANCELED)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        nodes = f"<nodes with {spec.quantity} x {spec.instance_type}>"
        name = spec.name or "<a name that Slurm chooses>"
        partition = spec.region or self._settings.partition or "<their partition>"
        words = _list_words(name, spec, nodes, partition)
        return printable(" ".join(["scontrol create reservation", *words, "Users=<you>"]))

    def describe_release(self, reservation_id: str) -> str:
        return f"scontrol delete {shlex.quote(f'ReservationName={printable(reservation_id)}')}; tasks in it go on"

    def _choose_nodes(
        self, spec: ReservationSpec, state: ClusterState, calendar: NodeCalendar, start: datetime, end: datetime
    ) -> tuple[str, Sequence[str]]:
        """Returns a partition with its nodes. Raises ConfigError, CapacityError."""
        request = parse_node_type(spec.instance_type)
        best: tuple[int, NodePool] | None = None
        for pool in list_pools(state, request, spec.region, self._settings.partition):
            free = [node.name for node in pool.nodes if calendar.is_free(node.name, start, end)]
            if (nodes := pool.pick(spec.quantity, free)) is not None:
                return pool.partition, nodes
            count = sum(pool.capacities[name] for name in free)
            best = max(best or (count, pool), (count, pool), key=lambda pair: pair[0])
        raise _build_capacity_error(spec, start, best)

    async def _ask(self, *, has_jobs: bool = False) -> _Answer:
        """Asks for the reservations. One call. Raises what `LoginNode.query` raises."""
        mark = make_token()
        jobs = f"printf '\\n%s\\n' {mark}jobs; command squeue{self._cluster} -h -t R,S,ST,CF -o '%N|%e' || exit"
        script = (
            f"printf '\\n%s\\n' {mark}reservations\n"
            f"command scontrol{self._cluster} -o show reservation || exit\n{jobs if has_jobs else ''}\n"
        )
        answer = await self._login_node.query(script)
        sections = split_sections(answer.decode("utf-8", "replace"), mark)
        rows, unreadable = parse_reservations(sections.get("reservations", ""))
        return _Answer(tuple(rows), unreadable, sections.get("jobs", ""))

    async def _change(self, command: str) -> str:
        """Runs a command of scontrol, and returns what it printed. Raises the refusal as an error of flow."""
        script = f"LC_ALL=C TZ=UTC0; export LC_ALL TZ\ncommand scontrol{self._cluster} {command}\n"
        try:
            result = await self._login_node.run(script)
        except Unreachable as error:
            raise Unreachable(f"{error}; the reservation may have changed all the same") from error
        if result.exit_code:
            raise build_reservation_refusal(result.stderr or result.stdout, self._login_node.title)
        return result.stdout.decode("utf-8", "replace")

    async def _find_created(self, printed: str, words: Sequence[str]) -> Reservation:
        found = _CREATED.search(printed)
        if found is None:
            raise ProviderError(f"Slurm did not print the name of the new reservation: {printable(printed.strip())}")
        name = found[1].strip()
        self._released.pop(name, None)
        return await self.get(name)

    def _forget_replaced(self, rows: Sequence[ListedReservation]) -> None:
        """Forgets released reservations whose name another one has now."""
        for row in rows:
            released = self._released.get(row.name)
            if released is not None and released.start_time_utc != row.start:
                del self._released[row.name]

    @property
    def _cluster(self) -> str:
        return "" if self._settings.cluster is None else f" -M {quote_word(self._settings.cluster)}"


def _check_name(name: str | None) -> str | None:
    if name is not None and not _NAME.fullmatch(name):
        raise ConfigError(
            f"name: {printable(repr(name))} is no name of a reservation; use letters, digits, '_', '-' and '.'",
            field="name",
        )
    return name


def _list_words(name: str | None, spec: ReservationSpec, nodes: str, partition: str) -> Sequence[str]:
    """Returns the arguments of `scontrol create reservation` without the user. Times are in UTC."""
    start = "now" if spec.start_time_utc is None else f"{spec.start_time_utc:%Y-%m-%dT%H:%M:%S}"
    return [
        *([f"ReservationName={name}"] if name is not None else []),
        f"StartTime={start}",
        f"Duration={spec.duration_hours * 60}",
        f"Nodes={nodes}",
        f"PartitionName={partition}",
    ]


def _build_capacity_error(spec: ReservationSpec, start: datetime, best: tuple[int, NodePool] | None) -> CapacityError:
    now = datetime.now(UTC)
    moment = "now" if spec.start_time_utc is None else f"at {format_moment(start, now)}"
    what = f"{spec.quantity} x {spec.instance_type} can't be reserved {moment} for {spec.duration_hours} h"
    if best is None:
        return CapacityError(f"{what}: the cluster has no such nodes in service", field="instance_type")
    free, pool = best
    return CapacityError(
        f"{what}: {free} of {pool.total} in partition {printable(pool.partition)} are free for that time; tasks and"
        " other reservations have the rest",
        field="instance_type",
    )
