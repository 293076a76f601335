"""One remote call for the nodes, the partitions and the limits of the cluster, kept for some seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from flow_core.errors import FlowError
from flow_core.providers.slurm.discovery.account_limits import (
    ASSOCIATION_COLUMNS,
    QOS_COLUMNS,
    Accounting,
    parse_accounting,
)
from flow_core.providers.slurm.discovery.node import Node, parse_node
from flow_core.providers.slurm.discovery.partition import Partition, parse_partition
from flow_core.providers.slurm.queue.records import make_token, split_sections
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.settings import SlurmSettings

_TIMEOUT_S = 20.0
_POLLS = 3
"""Polls of the queue for one of the nodes, which change less."""
_SLOWNESS = 10
_LONGEST_INTERVAL_S = 60.0
_SETTINGS_S = 600.0
_FAILURE_S = 15.0
_LINES_PER_STEP = 200
_CONFIG = ("ClusterName", "SelectType", "SelectTypeParameters", "DefMemPerCPU", "DefMemPerNode")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The nodes and partitions of the cluster, in the order of Slurm, and who this user is.

    `config` has some settings of slurm.conf. `accounting` is None if the cluster keeps none. `unreadable` counts the
    nodes and partitions that can't be read.
    """

    nodes: tuple[Node, ...] = ()
    partitions: tuple[Partition, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    accounting: Accounting | None = None
    unreadable: int = 0

    @property
    def tracks_memory(self) -> bool:
        """Whether a task gets a part of a node's memory, and not all that it takes."""
        return "MEMORY" in self.config.get("SelectTypeParameters", "").upper()

    @property
    def takes_whole_nodes(self) -> bool:
        """Whether every task gets nodes for itself."""
        return self.config.get("SelectType", "").endswith("linear")


class ClusterReader:
    """The state of the cluster of a context. All callers share one remote call and its answer.

    The answer is kept for three times `poll_s` of the settings, and longer if slurmctld answers slowly: for ten times
    the duration of the call, at most a minute. The accounting is asked every ten minutes.
    """

    def __init__(self, login_node: LoginNode, settings: SlurmSettings) -> None:
        self._login_node = login_node
        self._settings = settings
        self._state: ClusterState | None = None
        self._lock = asyncio.Lock()
        self._error: FlowError | None = None
        self._interval_s = _POLLS * settings.poll_s
        self._answered_at = self._failed_at = self._settings_at = float("-inf")

    async def read(self, max_age_s: float | None = None) -> ClusterState:
        """Returns a state that is at most `max_age_s` old (None: the interval). One call, within 20 s.

        Raises Unreachable, AuthError and ProviderError; the same error for the next 15 s.
        """
        began_at = time.monotonic()
        limit_s = self._interval_s if max_age_s is None else max_age_s
        async with self._lock:
            if self._state is None or self._answered_at < min(began_at, time.monotonic() - limit_s):
                self._raise_recent_failure()
                self._state = await self._fetch()
            return self._state

    def _raise_recent_failure(self) -> None:
        if self._error is not None and time.monotonic() - self._failed_at <= min(_FAILURE_S, self._interval_s):
            raise self._error.with_traceback(None)
        self._error = None

    async def _fetch(self) -> ClusterState:
        began_at = time.monotonic()
        needs_settings = self._state is None or began_at - self._settings_at >= _SETTINGS_S
        mark = make_token()
        script = "\n".join([*_build_script(mark, self._settings.cluster, has_settings=needs_settings), "exit 0", ""])
        try:
            answer = await self._login_node.query(script, timeout_s=_TIMEOUT_S)
        except FlowError as error:
            self._error, self._failed_at = error, time.monotonic()
            raise
        now = time.monotonic()
        self._interval_s = max(_POLLS * self._settings.poll_s, min(_SLOWNESS * (now - began_at), _LONGEST_INTERVAL_S))
        state = await _parse_state(split_sections(answer.decode("utf-8", "replace"), mark))
        self._answered_at = began_at
        if needs_settings:
            self._settings_at = began_at
            return state
        assert self._state is not None  # the settings are asked with the first answer
        return replace(state, config=self._state.config, accounting=self._state.accounting)


def _build_script(mark: str, cluster: str | None, *, has_settings: bool) -> Iterator[str]:
    option = f" -M {quote_word(cluster)}" if cluster else ""
    yield f"printf '\\n%s\\n' {mark}user; id -un"
    yield f"printf '\\n%s\\n' {mark}nodes; command scontrol{option} -d -o show node || exit"
    yield f"printf '\\n%s\\n' {mark}partitions; command scontrol{option} -o show partition || exit"
    if not has_settings:
        return
    names = "|".join(_CONFIG)
    yield f"printf '\\n%s\\n' {mark}config; command scontrol{option} show config | grep -E '^({names}) '"
    yield "limit=command; command -v timeout >/dev/null && limit='timeout 10'"  # slurmdbd may be out of reach
    yield f"printf '\\n%s\\n' {mark}qos"
    yield f"$limit sacctmgr -n -P show qos format={','.join(QOS_COLUMNS)} 2>/dev/null </dev/null &&"
    yield f"printf '\\n%s\\n' {mark}associations &&"
    yield (
        f'$limit sacctmgr -n -P show assoc where user="$(id -un)" format={",".join(ASSOCIATION_COLUMNS)}'
        " 2>/dev/null </dev/null"
    )


async def _parse_state(sections: Mapping[str, str]) -> ClusterState:
    nodes, bad_nodes = await _parse_lines(sections.get("nodes", ""), "NodeName=", parse_node)
    partitions, bad_partitions = await _parse_lines(sections.get("partitions", ""), "PartitionName=", parse_partition)
    config = dict(_split_setting(line) for line in sections.get("config", "").splitlines() if "=" in line)
    return ClusterState(
        nodes=nodes,
        partitions=partitions,
        config=config,
        user=sections.get("user", "").strip(),
        accounting=_parse_accounting(sections, config.get("ClusterName", "")),
        unreadable=bad_nodes + bad_partitions,
    )


async def _parse_lines(text: str, start: str, parse: Callable[[str], T | None]) -> tuple[tuple[T, ...], int]:
    """Returns what could be parsed, and the number of lines with this start that could not.

    Pauses between parts of its work, so that thousands of nodes don't delay a key.
    """
    lines = [line for line in text.split("\n") if line.startswith(start)]
    found: list[T] = []
    for first in range(0, len(lines), _LINES_PER_STEP):
        found += (one for line in lines[first : first + _LINES_PER_STEP] if (one := parse(line)) is not None)
        await asyncio.sleep(0)
    return tuple(found), len(lines) - len(found)


def _parse_accounting(sections: Mapping[str, str], cluster: str) -> Accounting | None:
    if "associations" not in sections:
        return None
    qos, associations = (
        [line.split("|") for line in sections[name].splitlines() if line] for name in ("qos", "associations")
    )
    return parse_accounting(qos, associations, cluster)


def _split_setting(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()
