"""The nodes of the cluster, as `scontrol show node` prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flow_core.providers.slurm.discovery.gres import find_feature_type, parse_gpus
from flow_core.providers.slurm.queue.values import clean, clean_label, parse_number

_REASON = re.compile(r" Reason=(.*?)(?: \[[^\s\[\]]*@[^\s\[\]]*\](?: [A-Z]\w*=.*)?)?\s*$", re.DOTALL)
_SYMBOLS = {
    "*": "NOT_RESPONDING",
    "~": "POWERED_DOWN",
    "#": "POWERING_UP",
    "!": "POWERING_DOWN",
    "%": "POWERING_DOWN",
    "$": "MAINT",
    "^": "REBOOT_ISSUED",
    "-": "PLANNED",
}
_STATE_WORD = re.compile(r"([A-Z_]+)([^A-Z_]*)")


class Condition(StrEnum):
    """Whether a node starts tasks: a `READY` one at once, and a `POWERED_DOWN` one after a boot."""

    READY = "ready"
    POWERED_DOWN = "powered down"
    PLANNED = "planned for a waiting task"
    RESERVED = "reserved"
    BUSY = "cleaning up"
    REBOOTING = "rebooting"
    DRAINED = "drained"
    DOWN = "down"

    @property
    def starts_tasks(self) -> bool:
        return self in (Condition.READY, Condition.POWERED_DOWN)

    @property
    def is_out_of_service(self) -> bool:
        """Whether somebody has to repair the node, or to return it to service, before it starts a task."""
        return self in (Condition.DRAINED, Condition.DOWN)


_CONDITIONS = (
    (Condition.REBOOTING, {"REBOOT_ISSUED"}),
    (Condition.DRAINED, {"DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING"}),
    (Condition.DOWN, {"DOWN", "ERROR", "INVAL", "INVALID_REG", "UNKNOWN", "FUTURE", "NOT_RESPONDING", "BLOCKED"}),
    (Condition.RESERVED, {"RESERVED", "MAINT", "MAINTENANCE"}),
    (Condition.BUSY, {"COMPLETING", "POWERING_DOWN", "POWER_DOWN"}),
    (Condition.PLANNED, {"PLANNED"}),
    (Condition.POWERED_DOWN, {"POWERED_DOWN", "POWER_SAVING"}),
)
"""The first that applies counts."""
_POWER_CHANGES = {"POWERING_UP", "POWERED_DOWN", "POWERING_DOWN"}
"""While the power changes, a node does not respond, and that means nothing."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node. `gpus` and `used_gpus` count its GPUs by the site's type ("": no type).

    `is_idle` is whether no task has any part of it. `cpus` and `memory_mb` are what tasks may use. `reason` is the one
    that an administrator or Slurm gave for its condition; "" if there is none.
    """

    name: str
    condition: Condition
    is_idle: bool = True
    partitions: tuple[str, ...] = ()
    cpus: int = 0
    used_cpus: int = 0
    memory_mb: int = 0
    used_memory_mb: int = 0
    gpus: Mapping[str, int] = field(default_factory=dict)
    used_gpus: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    def count_free_gpus(self, gpu_type: str) -> int:
        """Returns the GPUs of a type that no task has."""
        return max(0, self.gpus.get(gpu_type, 0) - self.used_gpus.get(gpu_type, 0))


def parse_node(line: str) -> Node | None:
    """Parses a line of `scontrol -d -o show node`; None for any other line."""
    name = read_field(line, "NodeName") if line.startswith("NodeName=") else ""
    words = parse_state(read_field(line, "State"))
    if not name or not words:
        return None
    features = _split(read_field(line, "ActiveFeatures"))
    gpus, used = count_gpus(read_field(line, "Gres"), read_field(line, "GresUsed"), features)
    used_cpus = _read_number(line, "CPUAlloc")
    used_memory_mb = _read_number(line, "AllocMem")
    return Node(
        name=clean_label(name),
        condition=find_condition(words),
        is_idle=not used_cpus and not words & {"ALLOCATED", "ALLOC", "MIXED", "MIX", "COMPLETING"},
        partitions=_split(read_field(line, "Partitions")),
        cpus=_read_number(line, "CPUEfctv") or _read_number(line, "CPUTot"),
        used_cpus=used_cpus,
        memory_mb=max(0, _read_number(line, "RealMemory") - _read_number(line, "MemSpecLimit")),
        used_memory_mb=used_memory_mb,
        gpus=gpus,
        used_gpus=used,
        reason=_read_reason(line),
    )


def count_gpus(gres: str, used_gres: str, features: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the GPUs of a node by type, and the used ones. A feature may name the type of those without any."""
    gpus, used = parse_gpus(gres), parse_gpus(used_gres)
    if "" in gpus and (feature := find_feature_type(features)):
        return _name_untyped(gpus, feature), _name_untyped(used, feature)
    return gpus, used


def parse_state(text: str) -> frozenset[str]:
    """Returns the words of a state such as IDLE+DRAIN, MIXED+CLOUD, DOWN* or idle~; a symbol counts as its word."""
    words: set[str] = set()
    for word, symbols in _STATE_WORD.findall(text.upper()):
        words.add(word)
        words.update(_SYMBOLS[symbol] for symbol in symbols if symbol in _SYMBOLS)
    return frozenset(words)


def find_condition(words: frozenset[str]) -> Condition:
    """Returns the condition of a node whose state has these words."""
    relevant = words - {"NOT_RESPONDING"} if words & _POWER_CHANGES else words
    return next((condition for condition, causes in _CONDITIONS if relevant & causes), Condition.READY)


def read_field(line: str, name: str) -> str:
    """Returns the first value of a field in a line of `scontrol -o`; "" if there is none. The value has no spaces.

    What people write, such as a reason, is at the end of a line, so it can't replace a field.
    """
    mark = f"{name}="
    start = 0 if line.startswith(mark) else line.find(f" {mark}") + 1
    if not start and not line.startswith(mark):
        return ""
    start += len(mark)
    end = line.find(" ", start)
    return clean(line[start:] if end < 0 else line[start:end])


def _read_number(line: str, name: str) -> int:
    return parse_number(read_field(line, name)) or 0


def _read_reason(line: str) -> str:
    """Returns the reason without the user and the time behind it."""
    found = _REASON.search(line)
    return clean_label(found[1].strip()) if found else ""


def _name_untyped(gpus: Mapping[str, int], gpu_type: str) -> dict[str, int]:
    named = dict(gpus)
    named[gpu_type] = named.get(gpu_type, 0) + named.pop("", 0)
    return named


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
