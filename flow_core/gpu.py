"""The GPU shorthand, one grammar wherever a GPU is asked for.

a100  a100:4  4xa100  h100x8  8xh100      a model, and how many (1 when not said)
gpu:40gb                                  any GPU with at least that much memory
cpu  8xcpu  cpu:8                         no GPU; the number is how many CPUs
a100-80gb:2                               a model with its memory
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flow_core.errors import ConfigError

MAX_COUNT = 1024
_LENGTH_MAX = 64
_DIGITS = 6  # more than any number that is allowed; Python refuses to read numbers of thousands of digits

_MODEL = r"(?P<model>[a-z][a-z0-9]*(?:[-.][a-z0-9]+)*)"
_FORMS = (
    re.compile(rf"(?P<count>\d+)\s*x\s*{_MODEL}"),
    re.compile(rf"{_MODEL}:(?P<count>\d+)"),
    re.compile(r"(?P<model>[a-z](?:[a-z0-9]|[-.](?=[a-z0-9]))*?\d[a-z]*)x(?P<count>\d+)"),
    re.compile(_MODEL),
)
_MEMORY = re.compile(r"gpu:(?P<memory>\d+)\s*gb?")
_COUNTED_TWICE = re.compile(r"\d+\s*x.*(?::\d+|\d[a-z]*x\d+)|.*\d[a-z]*x\d+(?::|[a-z]*x)\d+")


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """What a shorthand asks for: `count` of `model`, or of anything with `min_memory_gb`, or CPUs only."""

    model: str | None = None
    count: int = 1
    min_memory_gb: int | None = None
    cpus: int | None = None

    @property
    def needs_gpu(self) -> bool:
        return self.cpus is None

    def __str__(self) -> str:
        """The shortest shorthand that reads back as this request."""
        if self.cpus is not None:
            return f"{self.cpus}xcpu" if self.cpus else "cpu"
        if self.min_memory_gb is not None:
            return f"gpu:{self.min_memory_gb}gb"
        if self.model is None:
            return f"gpu:{self.count}"
        return f"{self.count}x{self.model}"


def parse_gpu(text: str) -> GpuRequest:
    """Reads a shorthand. Raises ConfigError that says what was meant when it can't be."""
    wanted = text.strip().lower()
    if not wanted:
        raise ConfigError("the GPU is empty; write for example a100, a100:4 or cpu", field="gpu")
    if memory := _MEMORY.fullmatch(wanted):
        return _by_memory(int(memory["memory"][:_DIGITS]))
    if len(wanted) <= _LENGTH_MAX and _COUNTED_TWICE.fullmatch(wanted):
        raise ConfigError(f"{_shown(text)} gives the count twice; write it once, as in 4xa100", field="gpu")
    for form in _FORMS if len(wanted) <= _LENGTH_MAX else ():
        if found := form.fullmatch(wanted):
            return _by_model(found["model"], found.groupdict().get("count"), text)
    raise ConfigError(
        f"{_shown(text)} is no GPU request; write for example a100, a100:4, 4xa100, gpu:40gb or cpu", field="gpu"
    )


def _by_memory(memory_gb: int) -> GpuRequest:
    if not 1 <= memory_gb <= 1024:
        raise ConfigError(f"gpu:{memory_gb}gb: memory must be between 1 and 1024 GB", field="gpu")
    return GpuRequest(min_memory_gb=memory_gb)


def _by_model(model: str, count_text: str | None, text: str) -> GpuRequest:
    count = 1 if count_text is None else int(count_text[:_DIGITS])
    if not 1 <= count <= MAX_COUNT:
        raise ConfigError(f"{_shown(text)}: the count must be between 1 and {MAX_COUNT}", field="gpu")
    if model == "cpu":
        return GpuRequest(count=0, cpus=0 if count_text is None else count)
    if model == "gpu":
        return GpuRequest(count=count)
    return GpuRequest(model=model, count=count)


def _shown(text: str) -> str:
    """The input, safe to print and short enough to read."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
