"""Parses nvidia-smi's output of --query-gpu and --query-compute-apps, of any driver since 331. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from flow_core.models.metrics import GpuProcess, GpuSample

_NUMBER = re.compile(r"(-?[0-9]{1,12}(?:\.[0-9]{1,12})?)(?: ?(?:%|MiB|W|C))?")
_COLUMN = re.compile(r"([a-zA-Z0-9_.]+)(?: \[[^\]]*\])?")
_ALIASES = {"gpu_name": "name", "gpu_uuid": "uuid", "gpu_bus_id": "pci.bus_id", "used_memory": "used_gpu_memory"}
_GPU_COLUMNS = frozenset({"index"})
_PROCESS_COLUMNS = frozenset({"uuid", "pid"})
_MAX_ERROR_CHARS = 300


@dataclass(frozen=True, slots=True)
class NvidiaSmiRow:
    """A GPU, its PCI address as in the kernel's log, and whether it is sliced."""

    gpu: GpuSample
    bus_id: str
    is_sliced: bool


def parse_gpu_rows(text: str) -> tuple[NvidiaSmiRow, ...]:
    """Returns the readable rows. A GPU that has fallen off the bus has no row, or one without values."""
    return tuple(row for cells in _parse_rows(text, _GPU_COLUMNS) if (row := _parse_gpu(cells)) is not None)


def parse_gpu_processes(text: str) -> tuple[GpuProcess, ...]:
    """Returns the visible processes. A driver that hides them prints rows without a number."""
    return tuple(found for cells in _parse_rows(text, _PROCESS_COLUMNS) if (found := _parse_process(cells)) is not None)


def find_error_text(text: str) -> str:
    """Returns the first line outside the table, such as a driver error; "" if there is none."""
    header = _find_header(text, _GPU_COLUMNS)
    for line in text.splitlines():
        if line.strip() and (header is None or line.count(",") < len(header) - 1):
            return line.strip()[:_MAX_ERROR_CHARS]
    return ""


def normalize_bus_id(pci: str) -> str:
    """Returns a PCI address in one form, without its function and with at most 4 digits of its domain."""
    parts = pci.lower().partition(".")[0].split(":")
    return ":".join([parts[0][-4:], *parts[1:]])


def parse_number(cell: str) -> float | None:
    """Returns the number; None for other text.

    Such text is [N/A], [Not Supported], [Unknown Error], ERR! or [GPU is lost].
    """
    found = _NUMBER.fullmatch(cell.strip())
    return float(found[1]) if found else None


def parse_whole_number(cell: str) -> int | None:
    value = parse_number(cell)
    return int(value) if value is not None and value == int(value) else None


def _parse_rows(text: str, needed: Collection[str]) -> Iterator[Mapping[str, str]]:
    """Yields the rows by column name. The last column may contain commas."""
    header = _find_header(text, needed)
    if header is None:
        return
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",", len(header) - 1)]
        if len(cells) == len(header):
            yield dict(zip(header, cells, strict=True))


def _find_header(text: str, needed: Collection[str]) -> list[str] | None:
    """Returns the column names. nvidia-smi may print warnings before the CSV; skips them."""
    for line in text.splitlines():
        found = [_COLUMN.fullmatch(cell.strip()) for cell in line.split(",")]
        names = [_ALIASES.get(column[1], column[1]) for column in found if column is not None]
        if len(names) == len(found) > 1 and set(needed) <= set(names):
            return names
    return None


def _parse_gpu(cells: Mapping[str, str]) -> NvidiaSmiRow | None:
    index = parse_whole_number(cells["index"])
    if index is None:
        return None
    values = {name: parse_number(cell) for name, cell in cells.items()}
    gpu = GpuSample(
        index=index,
        name=cells.get("name", ""),
        uuid=uuid if (uuid := cells.get("uuid", "")).startswith("GPU-") else "",
        utilization_percent=values.get("utilization.gpu"),
        memory_used_mb=values.get("memory.used"),
        memory_total_mb=values.get("memory.total"),
        power_w=values.get("power.draw"),
        power_limit_w=values.get("power.limit"),
        temperature_c=values.get("temperature.gpu"),
        ecc_errors=parse_whole_number(cells.get("ecc.errors.uncorrected.volatile.total", "")),
    )
    return NvidiaSmiRow(gpu, normalize_bus_id(cells.get("pci.bus_id", "")), cells.get("mig.mode.current") == "Enabled")


def _parse_process(cells: Mapping[str, str]) -> GpuProcess | None:
    pid = parse_whole_number(cells["pid"])
    if pid is None or pid <= 0:
        return None
    name = cells.get("process_name", "")
    hidden = name.startswith("[") and name.endswith("]")
    return GpuProcess(pid, cells["uuid"], "" if hidden else name, parse_number(cells.get("used_gpu_memory", "")))
