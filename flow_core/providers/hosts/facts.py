"""What a machine has, and who uses it, as it was seen last."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from flow_core.errors import FlowError
from flow_core.gpu_models import Gpu
from flow_core.providers.hosts.answers import Answer
from flow_core.providers.hosts.far import FarHost, ask_all

LOOK_S = 8.0
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that works on a GPU without a lease of ours being needed for it."""

    gpu_id: str
    pid: str
    user: str
    program: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One machine. `leases` says by GPU which task has it; GPUs that others work on count as taken, too."""

    system: str = ""
    cpus: int | None = None
    memory_gb: int | None = None
    free_memory_gb: int | None = None
    load: float | None = None
    free_disk_gb: int | None = None
    gpus: tuple[Gpu, ...] = ()
    leases: dict[str, str] = field(default_factory=dict)
    workers: tuple[Worker, ...] = ()
    waiting: int = 0
    running: int = 0
    is_driver_stuck: bool = False

    @property
    def free_gpus(self) -> tuple[Gpu, ...]:
        taken = {*self.leases, *(worker.gpu_id for worker in self.workers)}
        return tuple(gpu for gpu in self.gpus if gpu.gpu_id not in taken)


async def look_at_all(hosts: Sequence[FarHost]) -> tuple[dict[FarHost, Facts], dict[FarHost, FlowError]]:
    """Those that answer, and why the others don't."""
    answers, silent = await ask_all(hosts, "look", patience_s=LOOK_S)
    return {far: read_facts(answer, far.machine.pretend) for far, answer in answers.items()}, silent


def read_facts(answer: Answer, pretend: Sequence[Gpu]) -> Facts:
    workers = tuple(_workers(answer))
    waiting, running = _numbers(answer, "W", 2)
    return Facts(
        system=(answer.of("N") or [""])[0],
        cpus=_whole((answer.of("C") or [""])[0]),
        memory_gb=_memory(answer.of("K"), ("MemTotal:", "hw.memsize:")),
        free_memory_gb=_memory(answer.of("K"), ("MemAvailable:",)),
        load=_decimal((answer.of("O") or [""])[0]),
        free_disk_gb=_scaled(_whole((answer.of("D") or [""])[0]), 20),
        gpus=tuple(pretend) or tuple(_gpus(answer)),
        leases=dict(line.split(" ", 1) for line in answer.of("L") if " " in line),
        workers=() if pretend else workers,
        waiting=waiting,
        running=running,
        is_driver_stuck=bool(answer.of("X")),
    )


def _gpus(answer: Answer) -> Collection[Gpu]:
    found = []
    for line in answer.of("G"):
        fields = [part.strip() for part in line.split(",", 4)]
        if len(fields) == 5 and fields[0]:
            memory_mib = _whole(fields[1])
            memory_gb = None if memory_mib is None else round(memory_mib / 1024)
            found.append(Gpu(fields[0], fields[4], memory_gb, fields[0], True))
    return found


def _workers(answer: Answer) -> Collection[Worker]:
    found = []
    for line in answer.of("P"):
        user, _, rest = line.partition(" ")
        fields = [part.strip() for part in rest.split(",", 3)]
        if len(fields) == 4:
            found.append(Worker(fields[0], fields[1], user, fields[3].rpartition("/")[2]))
    return found


def _memory(lines: Sequence[str], names: Collection[str]) -> int | None:
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] in names:
            return _scaled(_whole(words[1]), 20 if words[-1] == "kB" else 30)
    return None


def _scaled(number: int | None, bits: int) -> int | None:
    return None if number is None else round(number / 2**bits)


def _numbers(answer: Answer, letter: str, count: int) -> list[int]:
    words = (answer.of(letter) or [""])[0].split()
    return [_whole(word) or 0 for word in [*words, *["0"] * count][:count]]


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else None


def _decimal(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
