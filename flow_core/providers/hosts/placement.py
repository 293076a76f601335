"""Which machine a task goes to: one that it fits and that has most to give now, else the one with the shortest line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_core.errors import CapacityError, ConfigError, FlowError, printable
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.gpu_models import Gpu, inventory
from flow_core.providers.hosts.facts import Facts
from flow_core.providers.hosts.far import FarHost
from flow_core.providers.over_agent.submit_requests import gpus_for, no_gpus

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig

_MOST_SAID = 8


@dataclass(frozen=True, slots=True)
class Seat:
    """A machine, and the GPUs there that would do: `count` of `candidates`."""

    far: FarHost
    facts: Facts
    count: int = 0
    candidates: tuple[Gpu, ...] = ()
    model: str = ""

    @property
    def instance_type(self) -> str:
        return f"{self.count}x{self.model}" if self.count else "cpu"

    @property
    def gpus(self) -> dict[str, Any]:
        """What the agent is asked for."""
        if not self.count:
            return no_gpus(self.instance_type, self.facts.gpus)
        return gpus_for(self.count, self.model, self.candidates)

    @property
    def free(self) -> int:
        return len({gpu.gpu_id for gpu in self.candidates} & {gpu.gpu_id for gpu in self.facts.free_gpus})

    def has(self, gpu_ids: Collection[str]) -> bool:
        """Whether these are enough for the task."""
        return sum(gpu.gpu_id in gpu_ids for gpu in self.candidates) >= self.count

    @property
    def starts_at_once(self) -> bool:
        return not self.count or (self.free >= self.count and not self.facts.waiting)

    @property
    def rank(self) -> tuple[bool, int, float]:
        """The lowest is the best."""
        busy = (self.facts.load or 0.0) / (self.facts.cpus or 1)
        if not self.count:
            return False, self.facts.running, busy
        return (not self.starts_at_once, -self.free if self.starts_at_once else self.facts.waiting, busy)


def seats(
    config: TaskConfig, seen: Mapping[FarHost, Facts], silent: Mapping[FarHost, FlowError], names: Mapping[str, FarHost]
) -> list[Seat]:
    """Machines for the task, best first, of the first instance type that any of them could ever give.

    Raises ConfigError, and CapacityError where none could.
    """
    there = _in_region(config.region, seen, names)
    there = {far: facts for far, facts in there.items() if _is_large_enough(config, facts)}
    asked = [f"{config.min_cpus} CPUs"] if config.min_cpus else []
    asked += [f"{config.min_memory_gb} GB"] if config.min_memory_gb else []
    return seats_for(_wishes(config), there, silent, f" with {' and '.join(asked)}" if asked else "")


def seats_for(
    wishes: Sequence[GpuRequest | str],
    seen: Mapping[FarHost, Facts],
    silent: Mapping[FarHost, FlowError],
    besides: str = "",
) -> list[Seat]:
    """The same for instance types; `besides` is what the machines of `seen` were chosen by. Raises CapacityError."""
    for wish in wishes:
        found = [seat for far, facts in seen.items() if (seat := _seat(wish, far, facts)) is not None]
        if found:
            return sorted(found, key=lambda seat: seat.rank)
    what = printable(" or ".join(map(str, wishes)) + besides)
    has = "; ".join(f"{far.name} has {_said(facts)}" for far, facts in list(seen.items())[:_MOST_SAID])
    absent = f"; {', '.join(far.name for far in silent)} can't be asked now" if silent else ""
    raise CapacityError(f"{what} can't be had here: {has or 'no reachable machine is large enough'}{absent}")


def _wishes(config: TaskConfig) -> tuple[GpuRequest | str, ...]:
    if config.min_gpu_memory_gb is not None:
        return (GpuRequest(min_memory_gb=config.min_gpu_memory_gb),)
    return config.instance_types or ("cpu",)


def _seat(wish: GpuRequest | str, far: FarHost, facts: Facts) -> Seat | None:
    if wish == far.name:
        gpus = facts.gpus
        return Seat(far, facts, len(gpus), gpus, gpus[0].short_model) if gpus else Seat(far, facts)
    request = parse_gpu(wish) if isinstance(wish, str) else wish
    if not request.needs_gpu:
        too_few = request.cpus and facts.cpus and request.cpus > facts.cpus
        return None if too_few else Seat(far, facts)
    fitting = tuple(gpu for gpu in facts.gpus if gpu.fits(request))
    if len(fitting) < request.count:
        return None
    return Seat(far, facts, request.count, fitting, request.model or fitting[0].short_model)


def _in_region(
    region: str | None, seen: Mapping[FarHost, Facts], names: Mapping[str, FarHost]
) -> Mapping[FarHost, Facts]:
    if region is None:
        return seen
    if not any(region in (far.name, far.region) for far in names.values()):
        known = ", ".join(names)
        raise ConfigError(
            f"region: {printable(repr(region))} is no machine and no region here; there are: {known}", field="region"
        )
    return {far: facts for far, facts in seen.items() if region in (far.name, far.region)}


def _is_large_enough(config: TaskConfig, facts: Facts) -> bool:
    cpus, memory_gb = config.min_cpus, config.min_memory_gb
    return not (cpus and facts.cpus and cpus > facts.cpus) and not (
        memory_gb and facts.memory_gb and memory_gb > facts.memory_gb
    )


def _said(facts: Facts) -> str:
    parts = [inventory(facts.gpus)]
    parts += [f"{facts.cpus} CPUs"] if facts.cpus else []
    parts += [f"{facts.memory_gb} GB"] if facts.memory_gb else []
    return ", ".join(parts)
