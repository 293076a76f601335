"""Lists the GPUs of NVIDIA's driver through its library."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Callable, NamedTuple

_LIBRARIES = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")
_LONGEST_NAME, _LONGEST_UUID = 96, 96


class DriverGpu(NamedTuple):
    """One GPU as the driver describes it. `memory_bytes` is None for a GPU without its own memory."""

    uuid: str
    model: str
    memory_bytes: int | None


class NvmlError(Exception):
    """The library is missing or a call failed; the text names the call."""


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def list_driver_gpus() -> tuple[DriverGpu, ...]:
    """Returns the GPUs in the driver's order. May take seconds while no program uses them. Raises NvmlError."""
    call = _make_caller(_load())
    call("nvmlInit_v2")
    try:
        count = ctypes.c_uint()
        call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return tuple(_describe(call, index) for index in range(count.value))
    finally:
        call("nvmlShutdown")


def _load() -> Any:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise NvmlError("libnvidia-ml.so.1 is missing")


def _make_caller(library: Any) -> Callable[..., None]:
    def call(name: str, *arguments: Any) -> None:
        try:
            status = getattr(library, name)(*arguments)
        except AttributeError:
            raise NvmlError(f"{name} is missing") from None
        if status:
            raise NvmlError(f"{name} failed with {status}")

    return call


def _describe(call: Callable[..., None], index: int) -> DriverGpu:
    handle, memory = ctypes.c_void_p(), _Memory()
    name, uuid = ctypes.create_string_buffer(_LONGEST_NAME), ctypes.create_string_buffer(_LONGEST_UUID)
    call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
    call("nvmlDeviceGetName", handle, name, _LONGEST_NAME)
    call("nvmlDeviceGetUUID", handle, uuid, _LONGEST_UUID)
    try:
        call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        total = memory.total
    except NvmlError:
        total = None  # the memory is shared with the CPU, as on a GB10
    return DriverGpu(os.fsdecode(uuid.value), name.value.decode(errors="replace"), total)
