"""The nodes and partitions of the cluster, from the JSON of every version of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.gres import parse_gpus
from flow_core.providers.slurm.discovery.node import Node, count_gpus, find_condition
from flow_core.providers.slurm.discovery.partition import Partition
from flow_core.providers.slurm.queue.values import clean_label
from flow_core.providers.slurm.rest.json_values import (
    Table,
    read_number,
    read_rows,
    read_table,
    read_text,
    read_words,
)
from flow_core.providers.slurm.submit.site import NodeKind, SiteFacts

if TYPE_CHECKING:
    from flow_core.providers.slurm.rest.rest_client import SlurmRestClient
    from flow_core.providers.slurm.settings import SlurmSettings

_POLLS = 3
_SLOWNESS = 10
_LONGEST_INTERVAL_S = 60.0
_FAILURE_S = 15.0
_FACTS_S = 600.0
_BUSY = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})


class RestCluster:
    """The state of the cluster. All callers share an answer, which is two calls.

    It is kept for three times `poll_s` of the settings, and longer if slurmctld answers slowly: for ten times the
    duration of the calls, at most a minute.
    """

    def __init__(self, client: SlurmRestClient, settings: SlurmSettings) -> None:
        self._client = client
        self._interval_s = self._shortest_s = _POLLS * settings.poll_s
        self._state = ClusterState()
        self._facts: SiteFacts | None = None
        self._error: FlowError | None = None
        self._lock = asyncio.Lock()
        self._answered_at = self._failed_at = float("-inf")

    @property
    def known_facts(self) -> SiteFacts | None:
        """What the cluster had at the last answer, however old; None before the first one. Makes no request."""
        return self._facts

    async def read(self, max_age_s: float | None = None) -> ClusterState:
        """Returns a state that is at most `max_age_s` old (None: the interval).

        Raises Unreachable, AuthError and ProviderError; the same error for the next 15 s.
        """
        began_at = time.monotonic()
        limit_s = self._interval_s if max_age_s is None else max_age_s
        async with self._lock:
            if self._facts is None or self._answered_at < min(began_at, time.monotonic() - limit_s):
                self._raise_recent_failure()
                await self._fetch()
            return self._state

    async def read_facts(self) -> SiteFacts:
        """Returns what a submission depends on, at most ten minutes old. Raises what `read` raises."""
        await self.read(_FACTS_S)
        assert self._facts is not None  # each state comes with facts
        return self._facts

    def _raise_recent_failure(self) -> None:
        if self._error is not None and time.monotonic() - self._failed_at <= min(_FAILURE_S, self._interval_s):
            raise self._error.with_traceback(None)
        self._error = None

    async def _fetch(self) -> None:
        began_at = time.monotonic()
        try:
            nodes, partitions = await self._client.get("nodes"), await self._client.get("partitions")
        except FlowError as error:
            self._error, self._failed_at = error, time.monotonic()
            raise
        slowness_s = _SLOWNESS * (time.monotonic() - began_at)
        self._interval_s = max(self._shortest_s, min(slowness_s, _LONGEST_INTERVAL_S))
        self._state, self._facts = decode_cluster(nodes, partitions, self._client.user)
        self._answered_at = began_at


def decode_cluster(nodes: Table, partitions: Table, user: str) -> tuple[ClusterState, SiteFacts]:
    """Returns the state of the cluster, and what a submission depends on, from the answers of both resources."""
    node_rows, partition_rows = read_rows(nodes.get("nodes")), read_rows(partitions.get("partitions"))
    found = [(row, node) for row in node_rows if (node := _decode_node(row)) is not None]
    known = tuple(partition for row in partition_rows if (partition := _decode_partition(row)) is not None)
    state = ClusterState(
        nodes=tuple(node for _, node in found),
        partitions=known,
        user=user,
        unreadable=len(node_rows) - len(found) + len(partition_rows) - len(known),
    )
    kinds = tuple(_list_kinds(known, found))
    return state, SiteFacts(kinds=kinds, has_gpu_options=False)  # --gres works with every SelectType


def _decode_node(row: Table) -> Node | None:
    """Returns a node; None if it has no name or no state."""
    words = frozenset(word.upper() for word in (*read_words(row.get("state")), *read_words(row.get("state_flags"))))
    name = clean_label(read_text(row.get("name")))
    if not name or not words:
        return None
    features = read_words(row.get("active_features"))
    gpus, used = count_gpus(read_text(row.get("gres")), read_text(row.get("gres_used")), features)
    used_cpus = read_number(row.get("alloc_cpus")) or 0
    reserved_mb = read_number(row.get("specialized_memory")) or 0
    return Node(
        name=name,
        condition=find_condition(words),
        is_idle=not used_cpus and not words & _BUSY,
        partitions=read_words(row.get("partitions")),
        cpus=read_number(row.get("effective_cpus")) or read_number(row.get("cpus")) or 0,
        used_cpus=used_cpus,
        memory_mb=max(0, (read_number(row.get("real_memory")) or 0) - reserved_mb),
        used_memory_mb=read_number(row.get("alloc_memory")) or 0,
        gpus=gpus,
        used_gpus=used,
        reason=clean_label(read_text(row.get("reason"))),
    )


def _decode_partition(row: Table) -> Partition | None:
    """Returns a partition; None if it has no name.

    slurmrestd does not tell the groups of this user, so the groups that may use a partition are left out.
    """
    name = clean_label(read_text(row.get("name")))
    if not name:
        return None
    limits, defaults = read_table(row.get("maximums")), read_table(row.get("defaults"))
    accounts, qos = read_table(row.get("accounts")), read_table(row.get("qos"))
    states = read_words(read_table(row.get("partition")).get("state", row.get("state")))
    minutes = read_number(limits.get("time", row.get("max_time_limit")))
    return Partition(
        name=name,
        state=next((word.upper() for word in states), "UP"),
        is_default="default" in {word.lower() for word in read_words(row.get("flags"))},
        time_limit_s=None if minutes is None else minutes * 60,
        max_nodes=read_number(limits.get("nodes", row.get("maximum_nodes_per_job"))),
        allowed_accounts=read_words(accounts.get("allowed", row.get("allowed_accounts"))),
        denied_accounts=read_words(accounts.get("deny", row.get("denied_accounts"))),
        allowed_qos=read_words(qos.get("allowed", row.get("allowed_qos"))),
        denied_qos=read_words(qos.get("deny", row.get("denied_qos"))),
        qos=clean_label(read_text(qos.get("assigned"))),
        takes_whole_nodes=read_number(read_table(limits.get("oversubscribe")).get("jobs")) == 0,
        memory_per_cpu_mb=read_number(
            defaults.get("partition_memory_per_cpu", row.get("default_memory_per_cpu")),
        ),
        memory_per_node_mb=read_number(
            defaults.get("partition_memory_per_node", row.get("default_memory_per_node")),
        ),
    )


def _list_kinds(partitions: tuple[Partition, ...], nodes: list[tuple[Table, Node]]) -> Iterator[NodeKind]:
    """Yields the kinds of nodes of each partition, with the GPUs as gres names them."""
    for partition in partitions:
        counts: dict[NodeKind, int] = {}
        for row, node in nodes:
            if partition.name in node.partitions:
                kind = _build_kind(partition, row, node)
                counts[kind] = counts.get(kind, 0) + 1
        for kind, count in counts.items():
            yield replace(kind, count=count)


def _build_kind(partition: Partition, row: Table, node: Node) -> NodeKind:
    return NodeKind(
        partition=partition.name,
        is_default=partition.is_default,
        count=1,
        cpus=node.cpus,
        memory_mb=node.memory_mb,
        gpus=tuple(parse_gpus(read_text(row.get("gres"))).items()),
        features=read_words(row.get("features")),
        time_limit_s=partition.time_limit_s,
    )
