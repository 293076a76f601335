"""The GPU shorthand, with one grammar for every input.

a100  a100:4  4xa100  h100x8  8xh100      a model and its count (default 1)
a100-80gb:2  a100-80gb.sxm.1x  h200.8x    a model with its memory and socket, as in names of instance types
8x NVIDIA H100 80GB SXM5                  the same as displayed
gpu:40gb  2xgpu:40gb                      any GPU with at least that much memory
cpu  8xcpu  cpu:8                         no GPU; the number counts CPUs
it_RrgkIZz6c9BZu5gi                       an instance type by its id, for the context that issued it
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flow_core.errors import ConfigError

MAX_COUNT = 1024
_MAX_CHARS = 64
_MAX_DIGITS = 6  # more than any valid number has; Python can't parse numbers of thousands of digits

_MODEL = r"(?P<model>[a-z][a-z0-9]*(?:[-.][a-z0-9]+)*)"
# `re` compiles and caches these on first use: many programs import this module and never parse a shorthand.
_FORMS = (
    rf"{_MODEL}\.(?P<count>\d+)x",
    rf"(?P<count>\d+)\s*x\s*{_MODEL}",
    rf"{_MODEL}:(?P<count>\d+)",
    r"(?P<model>[a-z](?:[a-z0-9]|[-.](?=[a-z0-9]))*?\d[a-z]*)x(?P<count>\d+)",
    _MODEL,
)
_MEMORY = r"(?:(?P<count>\d+)\s*x\s*)?gpu:(?P<memory>\d+)\s*gb?"
_COUNTED_TWICE = r"\d+\s*x.*(?::\d+|\d[a-z]*x\d+|\.\d+x)|.*\d[a-z]*x\d+(?::|[a-z]*x)\d+|.*\.\d+x:\d+"
_TYPE_ID = r"it_[A-Za-z0-9]+"
_MAKERS = r"\b(?:nvidia|amd)\s+"
_CPU_HINT = "did you mean cpu, or 8xcpu for at least 8 CPUs?"
_MODEL_AND_NUMBER = r"([a-z]+\d+[a-z]*)\D+(\d{1,4})(?!\w)|(?<!\w)(\d{1,4})\D+?([a-z]+\d+[a-z]*)"


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """The request of a shorthand: `count` of `model`, or of any GPU with `min_memory_gb`, or only CPUs.

    `type_id` is the id of an instance type; only the context that issued it knows its GPUs.
    """

    model: str | None = None
    count: int = 1
    min_memory_gb: int | None = None
    cpus: int | None = None
    type_id: str | None = None

    @property
    def needs_gpu(self) -> bool:
        return self.cpus is None

    def __str__(self) -> str:
        """Returns the shortest shorthand that parses to this request."""
        if self.type_id is not None:
            return self.type_id
        if self.cpus is not None:
            return f"{self.cpus}xcpu" if self.cpus else "cpu"
        if self.min_memory_gb is not None:
            return f"{f'{self.count}x' if self.count > 1 else ''}gpu:{self.min_memory_gb}gb"
        if self.model is None:
            return f"gpu:{self.count}"
        return f"{self.count}x{self.model}"


def parse_gpu(text: str) -> GpuRequest:
    """Parses a shorthand. Raises ConfigError with a suggestion."""
    if not isinstance(text, str):
        raise ConfigError(f"the GPU must be text such as a100:4, not {type(text).__name__}", field="gpu")
    if not text.strip():
        raise ConfigError("the GPU is empty; write for example a100, a100:4 or cpu", field="gpu")
    if len(text) <= _MAX_CHARS and re.fullmatch(_TYPE_ID, text.strip()):
        return GpuRequest(type_id=text.strip())
    normalized = _normalize_label(text.strip().lower()) if len(text) <= _MAX_CHARS else text.strip().lower()
    if memory := re.fullmatch(_MEMORY, normalized):
        return _request_by_memory(int(memory["memory"][:_MAX_DIGITS]), memory["count"], text)
    if normalized.startswith("cpu-"):
        raise ConfigError(f"{_printable(text)} is no GPU request; {_CPU_HINT}", field="gpu")
    if len(normalized) <= _MAX_CHARS and re.fullmatch(_COUNTED_TWICE, normalized):
        raise ConfigError(f"{_printable(text)} gives the count twice; write it once, as in 4xa100", field="gpu")
    for form in _FORMS if len(normalized) <= _MAX_CHARS else ():
        if found := re.fullmatch(form, normalized):
            return _request_by_model(found["model"], found.groupdict().get("count"), text)
    raise ConfigError(f"{_printable(text)} is no GPU request; {_suggest(normalized)}", field="gpu")


def build_gpu_request(gpu_count: int, gpu_type: str | None) -> GpuRequest:
    """Returns a request for `gpu_count` GPUs of a type (None: any type). Ignores a count in `gpu_type`.

    Raises ConfigError.
    """
    if gpu_count < 0:
        raise ConfigError("gpu_count: must not be negative", field="gpu_count")
    if gpu_count == 0:
        return GpuRequest(count=0, cpus=0)
    kind = GpuRequest() if gpu_type is None else parse_gpu(gpu_type)
    return replace(kind, count=gpu_count) if kind.needs_gpu else kind


def _normalize_label(label: str) -> str:
    """Converts a displayed label ("8x NVIDIA H100 80GB SXM5") to a shorthand ("8xh100-80gb-sxm5")."""
    found = re.search(_MAKERS, label)
    return label if found is None else label[: found.start()] + "-".join(label[found.end() :].split())


def _suggest(normalized: str) -> str:
    with_dashes = normalized.replace("_", "-")
    if with_dashes.startswith("cpu-"):
        return _CPU_HINT
    if (
        with_dashes != normalized
        and len(normalized) <= _MAX_CHARS
        and any(re.fullmatch(form, with_dashes) for form in _FORMS)
    ):
        return f"did you mean {with_dashes}?"
    found = re.search(_MODEL_AND_NUMBER, normalized[:_MAX_CHARS])
    if found is None:
        return "write for example a100, a100:4, 4xa100, gpu:40gb or cpu"
    count, model = found[2] or found[3], found[1] or found[4]
    return f"did you mean {int(count)}x{model}?"


def _request_by_memory(memory_gb: int, count_text: str | None, text: str) -> GpuRequest:
    if not 1 <= memory_gb <= 1024:
        raise ConfigError(f"gpu:{memory_gb}gb: memory must be between 1 and 1024 GB", field="gpu")
    return GpuRequest(min_memory_gb=memory_gb, count=_parse_count(count_text, text))


def _request_by_model(model: str, count_text: str | None, text: str) -> GpuRequest:
    count = _parse_count(count_text, text)
    if model == "cpu":
        return GpuRequest(count=0, cpus=0 if count_text is None else count)
    if model == "gpu":
        return GpuRequest(count=count)
    return GpuRequest(model=model, count=count)


def _parse_count(count_text: str | None, text: str) -> int:
    count = 1 if count_text is None else int(count_text[:_MAX_DIGITS])
    if not 1 <= count <= MAX_COUNT:
        raise ConfigError(f"{_printable(text)}: the count must be between 1 and {MAX_COUNT}", field="gpu")
    return count


def _printable(text: str) -> str:
    """Returns the input in a safe and short form for messages."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
