"""Real and declared GPUs, and their match with a request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from flow_core.errors import CapacityError, ConfigError
from flow_core.gpu_shorthand import GpuRequest, parse_gpu

_MEMORY_GB = {"t4": 16, "l4": 24, "a10": 24, "v100": 32, "l40s": 48, "a6000": 48, "a100": 80, "h100": 80, "h200": 141}
_PART_MEMORY = re.compile(r"(\d+)gb")
_TOLERANCE = 1.08  # drivers report GiB minus a reserve; requests use the advertised GB


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. `visible` is its id in CUDA_VISIBLE_DEVICES."""

    gpu_id: str
    model: str
    memory_gb: int | None
    visible: str
    is_real: bool

    def fits(self, request: GpuRequest) -> bool:
        if request.type_id is not None:
            return False  # only the context that issued the id knows its GPUs
        return self._has_memory(request.min_memory_gb or 0) and (
            request.model is None or self._matches_model(request.model)
        )

    def _has_memory(self, min_gb: int) -> bool:
        return not min_gb or (self.memory_gb is not None and min_gb <= self.memory_gb * _TOLERANCE)

    def _matches_model(self, requested_model: str) -> bool:
        """Returns whether every part of a requested model, such as a100-80gb, fits this GPU's model and memory."""
        words = re.findall(r"[a-z0-9]+", self.model.lower())
        joined_words = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
        for part in re.split(r"[-.]", requested_model.lower()):
            memory = _PART_MEMORY.fullmatch(part)
            if part not in joined_words and not (memory and self._has_memory(int(memory[1]))):
                return False
        return True

    @property
    def short_model(self) -> str:
        """The common name: "a100" for "NVIDIA A100-SXM4-80GB"."""
        words = [word for word in re.findall(r"[a-z0-9]+", self.model.lower()) if word not in ("nvidia", "geforce")]
        known = next((word for word in words if re.fullmatch(r"[a-z]{1,2}\d+[a-z]*", word)), None)
        return known or "".join(words[:2]) or "gpu"


def choose_gpus(gpus: Sequence[Gpu], request: GpuRequest, ranks: int = 1) -> tuple[Gpu, ...]:
    """Returns the GPUs that fit. Raises CapacityError if there are too few for this number of ranks in total."""
    fitting = tuple(gpu for gpu in gpus if gpu.fits(request))
    if len(fitting) < ranks * request.count:
        description = f"{request} for each of {ranks} instances" if ranks > 1 else f"{request}"
        raise CapacityError(f"{description} is not available on this machine; it has {describe_gpus(gpus)}")
    return fitting


def describe_gpus(gpus: Sequence[Gpu]) -> str:
    """Returns the GPUs as text, such as "4 x a100"."""
    counts: dict[str, int] = {}
    for gpu in gpus:
        counts[gpu.short_model] = counts.get(gpu.short_model, 0) + 1
    return ", ".join(f"{count} x {model}" for model, count in counts.items()) or "no GPU"


@lru_cache(maxsize=8)
def parse_declared_gpus(declared: str) -> tuple[Gpu, ...]:
    """Returns the GPUs of a declaration such as "a100:4,h100:2"; they exist only for flow's leases.

    Raises ConfigError.
    """
    found: list[Gpu] = []
    for part in filter(None, (part.strip() for part in declared.split(","))):
        request = parse_gpu(part)
        if request.model is None:
            raise ConfigError(f"gpus: {part!r} names no model; write for example a100:4", field="gpus")
        for _ in range(request.count):
            index = len(found)
            memory_gb = _declared_memory(request.model)
            found.append(Gpu(f"pretend-{request.model}-{index}", request.model, memory_gb, str(index), False))
    return tuple(found)


def _declared_memory(model: str) -> int | None:
    match = re.search(r"-(\d+)gb", model)
    return int(match[1]) if match else _MEMORY_GB.get(model.partition("-")[0])
