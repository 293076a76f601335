"""The accounts and QOS of this user in Slurm's accounting, and their limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flow_core.providers.slurm.queue.limits import QOS_FIELDS, QosLimits, parse_qos_limits
from flow_core.providers.slurm.queue.values import clean_label, parse_duration
from flow_core.providers.slurm.queue.wording import format_duration, format_memory

QOS_COLUMNS = (*QOS_FIELDS, "MaxWall")
"""The fields of `sacctmgr show qos` that `parse_accounting` reads."""
ASSOCIATION_COLUMNS = (
    *("Cluster", "Account", "Partition", "QOS", "MaxJobs", "GrpTRES", "GrpJobs", "MaxTRES", "MaxTRESPerNode"),
    "MaxWall",
)
"""The fields of `sacctmgr show assoc` that `parse_accounting` reads."""
_SCOPES = {
    "PerUser": "for each user",
    "Grp": "for all users together",
    "PerJob": "for each task",
    "PerNode": "for each node of a task",
}
_OWN_SCOPES = {**_SCOPES, "PerUser": "for you", "Grp": "for all your tasks"}
_NOUNS = {"gres/gpu": "GPUs", "cpu": "CPUs", "node": "nodes", "jobs": "running tasks", "mem": "of memory"}
_TYPED = "gres/gpu:"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a QOS, or (`is_own`) of this user in an account; `partition` is "" for all partitions."""

    owner: str
    amounts: QosLimits
    time_limit_s: int | None = None
    is_own: bool = False
    partition: str = ""

    def describe(self) -> str:
        """Returns the limits in words, such as "QOS small: 2 GPUs for each user"; "" if there are none."""
        parts = list(self._describe_amounts())
        if self.time_limit_s is not None:
            parts.append(f"{format_duration(self.time_limit_s)} for each task")
        return f"{self.owner}: {', '.join(parts)}" if parts else ""

    def _describe_amounts(self) -> Iterator[str]:
        for scope, words in (_OWN_SCOPES if self.is_own else _SCOPES).items():
            amounts = self.amounts.amounts.get(scope, {})
            is_typed = any(name.startswith(_TYPED) for name in amounts)
            for name, amount in amounts.items():
                if name.startswith(_TYPED):
                    yield f"{amount} x {clean_label(name.removeprefix(_TYPED))} {words}"
                elif name == "mem":
                    yield f"{format_memory(amount)} {_NOUNS[name]} {words}"
                elif name in _NOUNS and not (is_typed and name == "gres/gpu"):
                    noun = _NOUNS[name].removesuffix("s") if amount == 1 else _NOUNS[name]
                    yield f"{amount} {noun} {words}"


@dataclass(frozen=True, slots=True)
class Accounting:
    """What this user may use, and the limits. `qos` has the limits of every QOS by name."""

    accounts: frozenset[str]
    own_qos: frozenset[str]
    qos: dict[str, Limits]
    associations: tuple[Limits, ...]


def parse_accounting(qos_rows: Iterable[Sequence[str]], rows: Iterable[Sequence[str]], cluster: str) -> Accounting:
    """Parses rows with `QOS_COLUMNS`, and with `ASSOCIATION_COLUMNS`. Ignores those of other clusters and lengths."""
    own = [row for row in rows if len(row) == len(ASSOCIATION_COLUMNS) and cluster in ("", row[0])]
    return Accounting(
        accounts=frozenset(clean_label(row[1]) for row in own),
        own_qos=frozenset(clean_label(name) for row in own for name in row[3].split(",") if name),
        qos={limits.owner.removeprefix("QOS "): limits for limits in map(_parse_qos, qos_rows) if limits is not None},
        associations=tuple(map(_parse_association, own)),
    )


def _parse_qos(row: Sequence[str]) -> Limits | None:
    if len(row) != len(QOS_COLUMNS):
        return None
    (amounts,) = parse_qos_limits([row[:-1]]).values()
    return Limits(f"QOS {clean_label(row[0])}", amounts, parse_duration(row[-1]))


def _parse_association(row: Sequence[str]) -> Limits:
    _, account, partition, _, jobs, group_tres, group_jobs, job_tres, node_tres, time_limit = row
    columns = (account, "", jobs, group_tres, group_jobs, job_tres, node_tres)
    (amounts,) = parse_qos_limits([columns]).values()
    owner = f"account {clean_label(account)}"
    return Limits(owner, amounts, parse_duration(time_limit), is_own=True, partition=clean_label(partition))
