"""A bid with its machines, and the task record that is built from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flow_core.models.task import TaskBid, TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.mithril.bids import Bid, BidInstance
from flow_core.providers.mithril.catalog import InstanceType, Offer
from flow_core.providers.mithril.exit_status import ExitStatus
from flow_core.providers.mithril.money import format_usd
from flow_core.providers.mithril.node_ssh import USER, Destination
from flow_core.providers.mithril.submitted_specs import SubmittedSpec

_GONE = frozenset({"STATUS_TERMINATED", "STATUS_PREEMPTED", "STATUS_REPLACED"})
_BILLED = frozenset({"STATUS_RUNNING", "STATUS_STOPPING", "STATUS_PREEMPTING", "STATUS_RELOCATING"})
_INSTANCE_STATUS = {
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
_BID_STATUS = {
    "OPEN": TaskStatus.PENDING,
    "ALLOCATED": TaskStatus.PENDING,
    "PREEMPTING": TaskStatus.PREEMPTING,
    "RELOCATING": TaskStatus.PREEMPTING,
    "PAUSED": TaskStatus.PAUSED,
    "TERMINATED": TaskStatus.CANCELLED,
}
# The first of these that an instance has is the status of a bid with several instances.
_LEAST_FAR = (
    *(TaskStatus.FAILED, TaskStatus.PREEMPTING, TaskStatus.PAUSED),
    *(TaskStatus.PENDING, TaskStatus.CANCELLED, TaskStatus.RUNNING),
)


_UNKNOWN_EXIT = ExitStatus()


@dataclass(frozen=True, slots=True)
class BidSnapshot:
    """A bid with its current machines, in their order; without any, with its last ones."""

    bid: Bid
    nodes: tuple[BidInstance, ...]

    @classmethod
    def of(cls, bid: Bid, instances: Collection[BidInstance]) -> BidSnapshot:
        """Creates the snapshot from the bid's instances, current and former ones."""
        if not instances:
            return cls(bid, ())
        ordered = sorted(instances, key=lambda instance: instance.sort_key)
        active = tuple(instance for instance in ordered if instance.status not in _GONE)
        return cls(bid, active or tuple(ordered[-bid.quantity :]))

    @property
    def is_reachable(self) -> bool:
        """Whether every machine runs."""
        return len(self.nodes) >= self.bid.quantity and all(node.status in _BILLED for node in self.nodes)

    @property
    def billed(self) -> int:
        """The number of machines that cost money now."""
        return sum(node.status in _BILLED for node in self.nodes)


def build_task_record(
    context: str,
    snapshot: BidSnapshot,
    exit_status: ExitStatus | None,
    spec: SubmittedSpec,
    kind: InstanceType | None,
    offer: Offer | None,
    owner: str,
) -> TaskRecord:
    """Builds the record of a task. `offer` is the current market for the bid's type and region; None if unknown."""
    bid, nodes = snapshot.bid, snapshot.nodes
    status = merge_status(bid.status, [node.status for node in nodes])
    if exit_status is not None and exit_status.is_over:
        status = TaskStatus.FAILED if exit_status.exit_code else TaskStatus.COMPLETED
    elif (
        status is TaskStatus.RUNNING and exit_status is not None and exit_status.started_at is None and bid.is_from_flow
    ):
        status = TaskStatus.PENDING
    exit_status = exit_status or _UNKNOWN_EXIT
    price = None if offer is None else offer.price_usd
    billed = None if price is None or not snapshot.billed else price * snapshot.billed
    address = Destination.of(nodes[0].ssh_destination) if nodes and snapshot.billed else None
    return TaskRecord(
        context=context,
        task_id=bid.bid_id,
        name=bid.name or bid.bid_id,
        status=status,
        command=_format_command(bid, spec),
        created_at=bid.created_at,
        started_at=exit_status.started_at,
        completed_at=(exit_status.ended_at or bid.ended_at) if status.is_final else None,
        instance_type=bid.type_id if kind is None else kind.short_name,
        num_instances=bid.quantity,
        gpu_type=None if kind is None else kind.gpu_type or None,
        gpu_count=0 if kind is None else kind.gpu_count,
        region=bid.region,
        exit_code=exit_status.exit_code,
        message=_describe_state(snapshot, status, exit_status, price, billed),
        owner=owner,
        attempt=exit_status.attempt,
        price_usd_per_hour=price,
        billed_usd_per_hour=billed,
        volumes=_list_mounts(bid, spec),
        instances=tuple(node.instance_id for node in nodes),
        ssh_host=None if address is None else address.host,
        ssh_port=22 if address is None else address.port,
        ssh_user=USER,
        created_by=bid.created_by,
        bid=TaskBid(bid.status, bid.limit_usd, price),
        config=spec.config,
        provider_metadata={
            "bid_status": bid.status,
            "created_by": bid.created_by,
            "instance_status": nodes[0].status if nodes else None,
            "instance_type_id": bid.type_id,
            "limit_price": None if bid.limit_usd is None else format_usd(bid.limit_usd),
            "market_price": None if price is None else format_usd(price),
        },
    )


def _describe_state(
    snapshot: BidSnapshot, status: TaskStatus, exit_status: ExitStatus, price: Decimal | None, billed: Decimal | None
) -> str:
    """Returns the sentence about the state of the task."""
    if exit_status.is_over:
        ending = {"": "", "timeout": ": its time was up"}.get(exit_status.reason, f": {exit_status.reason}")
        cost = f", still billing {format_usd(billed)}/h until it is cancelled" if billed else ""
        return f"{status.value}{ending}{cost}" if ending or cost else ""
    if status is not TaskStatus.PENDING:
        return ""
    limit = snapshot.bid.limit_usd
    if limit is not None and price is not None and price > limit:
        return f"outbid: the market price is {format_usd(price)}/h, the limit {format_usd(limit)}/h per instance"
    if snapshot.bid.status == "Open":
        return "waits to be allocated"
    if snapshot.is_reachable:
        return "its machines are being set up for the command"
    return "its machines are starting"


def _format_command(bid: Bid, spec: SubmittedSpec) -> str:
    command = spec.config.get("command")
    if isinstance(command, str):
        return command
    return " ".join(map(str, command)) if isinstance(command, Sequence) else bid.command


def _list_mounts(bid: Bid, spec: SubmittedSpec) -> tuple[VolumeMount, ...]:
    """Returns the attached volumes; the path of a volume that was mounted elsewhere is unknown."""
    by_id = {mount.volume_id: mount for mount in spec.mounts}
    return tuple(by_id.get(volume_id, VolumeMount(volume_id, volume_id, "")) for volume_id in bid.volume_ids)


def merge_status(bid: str, instances: Sequence[str]) -> TaskStatus:
    """Returns the status of a task, from the API's status of its bid and of its instances.

    The task of an open bid is pending, regardless of its last instances. Otherwise the status of the instances counts,
    if there are any. An unknown status means that a change is in progress.
    """
    word = _normalize(bid)
    if word == "OPEN":
        return TaskStatus.PENDING
    if word == "TERMINATED" and not any(_normalize(instance) == "RUNNING" for instance in instances):
        return TaskStatus.CANCELLED
    if not instances:
        return _BID_STATUS.get(word, TaskStatus.PENDING)
    statuses = {_INSTANCE_STATUS.get(_normalize(instance), TaskStatus.PENDING) for instance in instances}
    return next(status for status in _LEAST_FAR if status in statuses)


def _normalize(word: str) -> str:
    return word.strip().upper().removeprefix("STATUS_")
