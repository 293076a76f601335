"""The NVIDIA GPUs of a machine, which are emulated: its table of them, and a program nvidia-smi that shows them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from flow_core.emulator.nodes.machine_interface import NodeSpec

GPUS = "var/lib/foundry/gpus"


class _Model(NamedTuple):
    """The driver's data of a GPU. `capability` is CUDA's."""

    name: str
    memory_mib: int
    power_limit_w: int
    capability: str


_MODELS = {
    "A100": _Model("NVIDIA A100-SXM4-80GB", 81920, 400, "8.0"),
    "H100": _Model("NVIDIA H100 80GB HBM3", 81559, 700, "9.0"),
    "H200": _Model("NVIDIA H200", 143771, 700, "9.0"),
    "B200": _Model("NVIDIA B200", 183359, 1000, "10.0"),
}
_BUSES = ("1B", "43", "52", "61", "9D", "C3", "D1", "DF")


def build_gpu_table(spec: NodeSpec) -> str:
    """Returns a line for each GPU, as nvidia_smi.sh reads it; "" for a machine without NVIDIA GPUs."""
    model = _MODELS.get(spec.gpu_type)
    if model is None:
        return ""
    return "".join(f"{_row(model, spec.instance_fid, index)}\n" for index in range(spec.gpu_count))


@cache
def read_nvidia_smi() -> str:
    """Returns the text of the program."""
    return files("flow_core.emulator.nodes").joinpath("nvidia_smi.sh").read_text(encoding="utf-8")


def _row(model: _Model, instance_fid: str, index: int) -> str:
    digest = hashlib.sha256(f"{instance_fid} {index}".encode()).hexdigest()
    uuid = f"GPU-{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    # The GPUs of one machine pause together; different machines pause at different times.
    phase = int(hashlib.sha256(instance_fid.encode()).hexdigest()[:4], 16) / 0xFFFF * 6.28
    cells = (*model, uuid, f"00000000:{_BUSES[index % len(_BUSES)]}:00.0", f"{phase:.2f}")
    return "|".join(map(str, cells))
