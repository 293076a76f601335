"""The GPUs that a gres text names, such as gpu:a100:4(S:0-1),gpu:h100:2, and what their types mean."""

from __future__ import annotations

import re
from functools import lru_cache

from flow_core.errors import ConfigError
from flow_core.gpu_matching import Gpu, parse_declared_gpus
from flow_core.gpu_shorthand import parse_gpu
from flow_core.providers.slurm.queue.values import clean_label

_PART = re.compile(r"[^,()]+(?:\([^()]*\))?")
_MEMORY = re.compile(r"(?<!\d)(\d{1,4})g(?:b|ib)?(?![a-z0-9])")
_SLICE = re.compile(r"(?:^|[^a-z0-9])\d+g\.(\d{1,4})gb")
_NO_MODEL = re.compile(r"[^a-z0-9.]+")
_MAKER = re.compile(r"^(?:nvidia|amd|geforce|tesla|instinct)-")
_COUNT_DIGITS = 6


def parse_gpus(text: str) -> dict[str, int]:
    """Returns the number of GPUs by the site's type; "" is the type of GPUs that have none. Ignores other resources."""
    found: dict[str, int] = {}
    for part in _PART.findall(text.replace("(null)", "")):
        words = part.partition("(")[0].strip().removeprefix("gres/").removeprefix("gres:").replace("=", ":").split(":")
        if words[0] != "gpu":
            continue
        is_counted = len(words) > 1 and words[-1].isdecimal() and len(words[-1]) <= _COUNT_DIGITS
        names = words[1:-1] if is_counted else words[1:]
        name = names[0] if names else ""
        found[name] = found.get(name, 0) + (int(words[-1]) if is_counted else 1)
    return found


@lru_cache(maxsize=1024)
def build_gpu(site_type: str) -> Gpu:
    """Returns a GPU of a site's type. Its memory is the one in the type, or the usual one of the model, or unknown."""
    return Gpu(site_type, site_type or "gpu", _find_memory_gb(site_type.lower()), "", is_real=True)


@lru_cache(maxsize=1024)
def name_model(site_type: str) -> str:
    """Returns a type as requests write it: "a100-sxm4-80gb" for "NVIDIA_A100-SXM4-80GB", "gpu" for no type."""
    name = _MAKER.sub("", _NO_MODEL.sub("-", site_type.lower()).strip("-."))
    return name or "gpu"


@lru_cache(maxsize=1024)
def name_instance_type(site_type: str, count: int) -> str:
    """Returns the instance type of a node with so many GPUs, such as "4xa100"; "cpu" for none.

    It is one that a task can request. A type that starts with a digit, such as "2080ti", can't be requested by name.
    """
    if not count:
        return "cpu"
    instance_type = f"{count}x{name_model(site_type)}"
    try:
        parse_gpu(instance_type)
    except ConfigError:
        memory_gb = build_gpu(site_type).memory_gb
        return f"{count}xgpu" if memory_gb is None else f"{count}xgpu:{memory_gb}gb"
    return instance_type


def find_feature_type(features: tuple[str, ...]) -> str:
    """Returns the feature of a node that names the model of GPUs without a type; "" if no feature does."""
    return next((name for name in sorted(features) if _find_usual_memory_gb(name.lower()) is not None), "")


def describe_type(site_type: str) -> str:
    """Returns a type for one line of the screen."""
    return clean_label(site_type) or "gpu"


def _find_memory_gb(name: str) -> int | None:
    """Prefers the memory of a slice: that of "a100_3g.20gb" is 20 GB."""
    found = _SLICE.search(name) or _MEMORY.search(name)
    return _find_usual_memory_gb(name) if found is None else int(found[1]) or None


def _find_usual_memory_gb(name: str) -> int | None:
    """Returns the memory that a model of this name usually has."""
    for word in re.findall(r"[a-z]+\d+[a-z]*", name):
        try:
            memory_gb = parse_declared_gpus(word)[0].memory_gb
        except ConfigError:
            continue
        if memory_gb is not None:
            return memory_gb
    return None
