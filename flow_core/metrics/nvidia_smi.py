"""Pure: what nvidia-smi prints for --query-gpu and --query-compute-apps, of any driver since 331."""

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
_MOST_SAID = 300


@dataclass(frozen=True, slots=True)
class NvidiaSmiRow:
    """A GPU and what else is asked of it: where it sits, as the kernel's log writes it, and whether it is sliced."""

    gpu: GpuSample
    bus: str
    is_sliced: bool


def parse_gpu_rows(text: str) -> tuple[NvidiaSmiRow, ...]:
    """The rows that can be read; a GPU that has fallen off the bus has none, or one without figures."""
    return tuple(row for cells in _rows(text, _GPU_COLUMNS) if (row := _gpu(cells)) is not None)


def parse_gpu_processes(text: str) -> tuple[GpuProcess, ...]:
    """The processes that can be seen; a driver that hides them prints rows without a number."""
    return tuple(found for cells in _rows(text, _PROCESS_COLUMNS) if (found := _process(cells)) is not None)


def find_error_text(text: str) -> str:
    """What nvidia-smi says that is no table, such as that it can't reach its driver; "" where it says nothing."""
    header = _header(text, _GPU_COLUMNS)
    for line in text.splitlines():
        if line.strip() and (header is None or line.count(",") < len(header) - 1):
            return line.strip()[:_MOST_SAID]
    return ""


def normalize_bus_id(pci: str) -> str:
    """A PCI address as one word, however many digits its domain has and whether it names a function."""
    parts = pci.lower().partition(".")[0].split(":")
    return ":".join([parts[0][-4:], *parts[1:]])


def parse_number(cell: str) -> float | None:
    """None for all that isn't a number: [N/A], [Not Supported], [Unknown Error], ERR!, [GPU is lost] and the like."""
    found = _NUMBER.fullmatch(cell.strip())
    return float(found[1]) if found else None


def parse_whole_number(cell: str) -> int | None:
    value = parse_number(cell)
    return int(value) if value is not None and value == int(value) else None


def _rows(text: str, needed: Collection[str]) -> Iterator[Mapping[str, str]]:
    """Rows by column, as the header names them. The last column may hold commas."""
    header = _header(text, needed)
    if header is None:
        return
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",", len(header) - 1)]
        if len(cells) == len(header):
            yield dict(zip(header, cells, strict=True))


def _header(text: str, needed: Collection[str]) -> list[str] | None:
    """Drivers warn above their table."""
    for line in text.splitlines():
        found = [_COLUMN.fullmatch(cell.strip()) for cell in line.split(",")]
        names = [_ALIASES.get(column[1], column[1]) for column in found if column is not None]
        if len(names) == len(found) > 1 and set(needed) <= set(names):
            return names
    return None


def _gpu(cells: Mapping[str, str]) -> NvidiaSmiRow | None:
    index = parse_whole_number(cells["index"])
    if index is None:
        return None
    said = {name: parse_number(cell) for name, cell in cells.items()}
    gpu = GpuSample(
        index=index,
        name=cells.get("name", ""),
        uuid=uuid if (uuid := cells.get("uuid", "")).startswith("GPU-") else "",
        utilization_percent=said.get("utilization.gpu"),
        memory_used_mb=said.get("memory.used"),
        memory_total_mb=said.get("memory.total"),
        power_w=said.get("power.draw"),
        power_limit_w=said.get("power.limit"),
        temperature_c=said.get("temperature.gpu"),
        ecc_errors=parse_whole_number(cells.get("ecc.errors.uncorrected.volatile.total", "")),
    )
    return NvidiaSmiRow(gpu, normalize_bus_id(cells.get("pci.bus_id", "")), cells.get("mig.mode.current") == "Enabled")


def _process(cells: Mapping[str, str]) -> GpuProcess | None:
    pid = parse_whole_number(cells["pid"])
    if pid is None or pid <= 0:
        return None
    name = cells.get("process_name", "")
    hidden = name.startswith("[") and name.endswith("]")
    return GpuProcess(pid, cells["uuid"], "" if hidden else name, parse_number(cells.get("used_gpu_memory", "")))
