"""The sentences about the nodes of a partition: what is out of service and why, who may use it, and the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flow_core.providers.slurm.discovery.account_limits import Accounting, Limits
from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.node import Condition, Node
from flow_core.providers.slurm.discovery.partition import Partition
from flow_core.providers.slurm.queue.wording import format_duration

_REASONS_SHOWN = 3
_REASON_CHARACTERS = 80
_NODES_SHOWN = 3
_NAMES_SHOWN = 4
_QOS_SHOWN = 4
_STATES = {
    "DOWN": "partition {name} is down: it queues tasks, and starts none",
    "DRAIN": "partition {name} is drained: it takes no new tasks",
    "INACTIVE": "partition {name} is inactive: it takes and starts no tasks",
}


def describe_offer(state: ClusterState, partition: Partition, nodes: Sequence[Node]) -> str:
    """Returns what a user has to know about these nodes of a partition, the most urgent first."""
    state_words = _STATES.get(partition.state)
    parts = [state_words.format(name=partition.name)] if state_words else []
    parts += _describe_out_of_service(nodes)
    access = describe_access(state, partition)
    parts += [access] if access else []
    parts += _describe_conditions(nodes)
    parts += _describe_limits(partition)
    parts += _describe_accounting(state.accounting, partition)
    return ", ".join(parts)


def describe_access(state: ClusterState, partition: Partition) -> str:
    """Returns why this user can't use a partition; "" if nothing is known that forbids it.

    Slurm does not show a partition at all that is for groups of other users.
    """
    if state.user == "root":
        return ""
    if partition.is_for_root:
        return "only for administrators"
    accounts = state.accounting.accounts if state.accounting is not None else frozenset()
    if accounts and partition.allowed_accounts and not accounts & set(partition.allowed_accounts):
        return f"only for account {_join(partition.allowed_accounts)}"
    if accounts and accounts <= set(partition.denied_accounts):
        return f"not for account {_join(sorted(accounts))}"
    qos = state.accounting.own_qos if state.accounting is not None else frozenset()
    if qos and partition.allowed_qos and not qos & set(partition.allowed_qos):
        return f"only with QOS {_join(partition.allowed_qos)}"
    return "only with a reservation" if partition.needs_reservation else ""


def describe_node_list(nodes: Sequence[Node]) -> str:
    """Returns the names of nodes, at most three of them."""
    return _join([node.name for node in nodes], _NODES_SHOWN)


def _describe_out_of_service(nodes: Sequence[Node]) -> Iterator[str]:
    """Describes the nodes by condition and reason, such as "node2 drained: bad disk"."""
    groups: dict[tuple[Condition, str], list[Node]] = {}
    for node in nodes:
        if node.condition.is_out_of_service:
            groups.setdefault((node.condition, node.reason), []).append(node)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    for (condition, reason), members in ordered[:_REASONS_SHOWN]:
        why = f": {_cut(reason)}" if reason else ""
        yield f"{describe_node_list(members)} {condition}{why}"
    if rest := sum(len(members) for _, members in ordered[_REASONS_SHOWN:]):
        yield f"{rest} more out of service"


def _describe_conditions(nodes: Sequence[Node]) -> Iterator[str]:
    for condition in Condition:
        count = sum(node.condition is condition for node in nodes)
        if count and condition is not Condition.READY and not condition.is_out_of_service:
            start = ", which start on demand" if condition is Condition.POWERED_DOWN else ""
            yield f"{count} {condition}{start}"


def _describe_limits(partition: Partition) -> Iterator[str]:
    limits = []
    if partition.time_limit_s is not None:
        limits.append(format_duration(partition.time_limit_s))
    if partition.max_nodes is not None:
        limits.append(f"{partition.max_nodes} node{'' if partition.max_nodes == 1 else 's'}")
    if limits:
        yield f"at most {' and '.join(limits)} for each task"
    if partition.takes_whole_nodes:
        yield "each task gets whole nodes"
    if partition.is_default:
        yield "the default partition"


def _describe_accounting(accounting: Accounting | None, partition: Partition) -> Iterator[str]:
    """Describes the limits of the QOS that apply in a partition: its own one, and those of this user."""
    if accounting is None:
        return
    allowed = set(partition.allowed_qos) if partition.allowed_qos else accounting.own_qos
    names = (allowed & accounting.own_qos) - set(partition.denied_qos)
    found: list[Limits] = [accounting.qos[name] for name in sorted(names) if name in accounting.qos]
    if partition.qos in accounting.qos and partition.qos not in names:
        found.insert(0, accounting.qos[partition.qos])
    found += (one for one in accounting.associations if one.partition in ("", partition.name))
    described = dict.fromkeys(words for limits in found if (words := limits.describe()))
    yield from list(described)[:_QOS_SHOWN]


def _join(names: Sequence[str], most: int = _NAMES_SHOWN) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _cut(text: str) -> str:
    return text if len(text) <= _REASON_CHARACTERS else f"{text[: _REASON_CHARACTERS - 1]}…"
