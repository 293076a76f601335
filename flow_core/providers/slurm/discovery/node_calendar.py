"""When tasks and reservations use nodes, as far as it is known now, and the periods in which the nodes are free."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from flow_core.providers.slurm.discovery.node import Node
from flow_core.providers.slurm.discovery.reservation_rows import ListedReservation
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.values import parse_time

FOREVER = datetime(9000, 1, 1, tzinfo=UTC)
_REPEATS_MAX = 400
Period = tuple[datetime, datetime]


class NodeCalendar:
    """The periods in which each node is in use, from their start up to but not including their end."""

    def __init__(self, periods: Mapping[str, Sequence[Period]]) -> None:
        self._periods = periods

    def is_free(self, name: str, start: datetime, end: datetime) -> bool:
        """Returns whether a node is free during the whole period."""
        return not any(begin < end and start < stop for begin, stop in self._periods.get(name, ()))

    def list_slots(
        self, capacities: Mapping[str, int], start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime, int]]:
        """Yields the periods in which the same nodes are free, in order, with the sum of their capacities.

        `capacities` are by node. Leaves out periods in which none is free.
        """
        changes: dict[datetime, list[tuple[str, int]]] = defaultdict(list)
        for name in capacities:
            for begin, stop in self._periods.get(name, ()):
                if begin < end and start < stop:
                    changes[max(begin, start)].append((name, 1))
                    changes[min(stop, end)].append((name, -1))
        uses = dict.fromkeys(capacities, 0)
        free, since = sum(capacities.values()), start
        for moment in sorted(changes):
            before = {name for name, _ in changes[moment] if not uses[name]}
            for name, change in changes[moment]:
                uses[name] += change
            after = {name for name, _ in changes[moment] if not uses[name]}
            if before == after:
                continue
            if free and since < moment:
                yield since, moment, free
            free += sum(capacities[name] for name in after - before) - sum(capacities[name] for name in before - after)
            since = moment
        if free and since < end:
            yield since, end, free


def build_calendar(
    nodes: Iterable[Node], reservations: Iterable[ListedReservation], jobs: str, now: datetime
) -> NodeCalendar:
    """Returns the calendar. `jobs` are lines with the nodes and the end of a running job.

    A job without an end never ends. Neither does one that the cluster hides from this user.
    """
    periods: dict[str, list[Period]] = defaultdict(list)
    for line in jobs.splitlines():
        listed, _, end = line.strip().partition("|")
        stop = parse_time(end) or FOREVER
        for name in expand_hostlist(listed):
            periods[name].append((now, max(stop, now + timedelta(seconds=1))))
    for node in nodes:
        if not node.is_idle and not periods[node.name]:
            periods[node.name].append((now, FOREVER))
    for row in reservations:
        for period in _list_periods(row):
            for name in row.nodes:
                periods[name].append(period)
    return NodeCalendar(periods)


def _list_periods(row: ListedReservation) -> Iterator[Period]:
    """Yields the period of a reservation, and those of the next year if it repeats."""
    end = row.end or FOREVER
    yield row.start, end
    step = row.repeats_after
    if step is not None:
        yield from ((row.start + step * number, end + step * number) for number in range(1, _REPEATS_MAX))
