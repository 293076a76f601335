"""A bid with its machines, and the task record that is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flow_core.models.task import TaskBid, TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.mithril.bids import Bid, BidInstance
from flow_core.providers.mithril.catalog import InstanceType, Offer
from flow_core.providers.mithril.exit_status import ExitStatus
from flow_core.providers.mithril.money import written
from flow_core.providers.mithril.node_ssh import USER, Destination
from flow_core.providers.mithril.startup.script import is_ours
from flow_core.providers.mithril.submitted_specs import SubmittedSpec

_GONE = frozenset({"STATUS_TERMINATED", "STATUS_PREEMPTED", "STATUS_REPLACED"})
_BILLED = frozenset({"STATUS_RUNNING", "STATUS_STOPPING", "STATUS_PREEMPTING", "STATUS_RELOCATING"})
_OF_INSTANCE = {
    "NEW": TaskStatus.PENDING,
    "CONFIRMED": TaskStatus.PENDING,
    "INITIALIZING": TaskStatus.PENDING,
    "STARTING": TaskStatus.PENDING,
    "RUNNING": TaskStatus.RUNNING,
    "RELOCATING": TaskStatus.PREEMPTING,
    "PREEMPTING": TaskStatus.PREEMPTING,
    "PAUSED": TaskStatus.PAUSED,
    "ERROR": TaskStatus.FAILED,
    "STOPPING": TaskStatus.CANCELLED,
    "TERMINATED": TaskStatus.CANCELLED,
    "PREEMPTED": TaskStatus.CANCELLED,
    "REPLACED": TaskStatus.CANCELLED,
}
_OF_BID = {
    "OPEN": TaskStatus.PENDING,
    "ALLOCATED": TaskStatus.PENDING,
    "PREEMPTING": TaskStatus.PREEMPTING,
    "RELOCATING": TaskStatus.PREEMPTING,
    "PAUSED": TaskStatus.PAUSED,
    "TERMINATED": TaskStatus.CANCELLED,
}
# A bid of several instances is in the state of the one that is the least far.
_LEAST_FAR = (
    *(TaskStatus.FAILED, TaskStatus.PREEMPTING, TaskStatus.PAUSED),
    *(TaskStatus.PENDING, TaskStatus.CANCELLED, TaskStatus.RUNNING),
)


@dataclass(frozen=True, slots=True)
class BidSnapshot:
    """A bid with the machines it has now, in their order; those of before when it has none."""

    bid: Bid
    nodes: tuple[BidInstance, ...]

    @classmethod
    def of(cls, bid: Bid, instances: Iterable[BidInstance]) -> BidSnapshot:
        all_of_it = sorted(instances, key=lambda one: one.place)
        living = tuple(one for one in all_of_it if one.status not in _GONE)
        return cls(bid, living or tuple(all_of_it[-bid.quantity :]))

    @property
    def is_reachable(self) -> bool:
        """Whether every machine runs."""
        return len(self.nodes) >= self.bid.quantity and all(node.status in _BILLED for node in self.nodes)

    @property
    def billed(self) -> int:
        """How many machines cost money now."""
        return sum(node.status in _BILLED for node in self.nodes)


def task_record(
    context: str,
    snapshot: BidSnapshot,
    end: ExitStatus | None,
    spec: SubmittedSpec,
    kind: InstanceType | None,
    offer: Offer | None,
    owner: str,
) -> TaskRecord:
    """`offer` is the market for the bid's type and region now, None where nobody says."""
    bid, nodes = snapshot.bid, snapshot.nodes
    status = status_of(bid.status, [node.status for node in nodes])
    if end is not None and end.is_over:
        status = TaskStatus.FAILED if end.exit_code else TaskStatus.COMPLETED
    elif status is TaskStatus.RUNNING and end is not None and end.started_at is None and is_ours(bid.startup_script):
        status = TaskStatus.PENDING
    end = end or ExitStatus()
    price = None if offer is None else offer.price_usd
    billed = None if price is None or not snapshot.billed else price * snapshot.billed
    where = Destination.of(nodes[0].ssh_destination) if nodes and snapshot.billed else None
    return TaskRecord(
        context=context,
        task_id=bid.bid_id,
        name=bid.name or bid.bid_id,
        status=status,
        command=_command(bid, spec),
        created_at=bid.created_at,
        started_at=end.started_at,
        completed_at=(end.ended_at or bid.ended_at) if status.is_final else None,
        instance_type=bid.type_id if kind is None else kind.short_name,
        num_instances=bid.quantity,
        gpu_type=None if kind is None else kind.gpu_type or None,
        gpu_count=0 if kind is None else kind.gpu_count,
        region=bid.region,
        exit_code=end.exit_code,
        message=_message(snapshot, status, end, price, billed),
        owner=owner,
        attempt=end.attempt,
        price_usd_per_hour=price,
        billed_usd_per_hour=billed,
        volumes=_mounts(bid, spec),
        instances=tuple(node.instance_id for node in nodes),
        ssh_host=None if where is None else where.host,
        ssh_port=22 if where is None else where.port,
        ssh_user=USER,
        created_by=bid.created_by,
        bid=TaskBid(bid.status, bid.limit_usd, price),
        config=spec.config,
        provider_metadata={
            "bid_status": bid.status,
            "created_by": bid.created_by,
            "instance_status": nodes[0].status if nodes else None,
            "instance_type_id": bid.type_id,
            "limit_price": None if bid.limit_usd is None else written(bid.limit_usd),
            "market_price": None if price is None else written(price),
        },
    )


def _message(
    snapshot: BidSnapshot, status: TaskStatus, end: ExitStatus, price: Decimal | None, billed: Decimal | None
) -> str:
    if end.is_over:
        how = {"": "", "timeout": ": its time was up"}.get(end.reason, f": {end.reason}")
        cost = f", still billing {written(billed)}/h until it is cancelled" if billed else ""
        return f"{status.value}{how}{cost}" if how or cost else ""
    limit = snapshot.bid.limit_usd
    if status is TaskStatus.PENDING and limit is not None and price is not None and price > limit:
        return f"outbid: the market is at {written(price)}, the limit is {written(limit)} an hour and instance"
    if status is TaskStatus.PENDING and snapshot.bid.status == "Open":
        return "waits to be allocated"
    if status is TaskStatus.PENDING and snapshot.is_reachable:
        return "its machines are being set up for the command"
    return "its machines are starting" if status is TaskStatus.PENDING else ""


def _command(bid: Bid, spec: SubmittedSpec) -> str:
    said = spec.config.get("command")
    if isinstance(said, str):
        return said
    return " ".join(map(str, said)) if isinstance(said, Sequence) else bid.command


def _mounts(bid: Bid, spec: SubmittedSpec) -> tuple[VolumeMount, ...]:
    """Those that are attached now; one that nobody here mounted has no path that we know."""
    known = {mount.volume_id: mount for mount in spec.mounts}
    return tuple(known.get(volume_id, VolumeMount(volume_id, volume_id, "")) for volume_id in bid.volume_ids)


def status_of(bid: str, instances: Sequence[str]) -> TaskStatus:
    """The status of a task by its bid's word and those of its instances.

    An open bid waits, whatever its last instances say; else they have the word where there are any. An unknown word
    means that something is under way.
    """
    word = _plain(bid)
    if word == "OPEN":
        return TaskStatus.PENDING
    if word == "TERMINATED" and not any(_plain(one) == "RUNNING" for one in instances):
        return TaskStatus.CANCELLED
    if not instances:
        return _OF_BID.get(word, TaskStatus.PENDING)
    found = {_OF_INSTANCE.get(_plain(one), TaskStatus.PENDING) for one in instances}
    return next(status for status in _LEAST_FAR if status in found)


def _plain(word: str) -> str:
    return word.strip().upper().removeprefix("STATUS_")
