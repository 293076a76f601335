"""Adds the MIG slices of GPUs, from `nvidia-smi -L` (names) and `nvidia-smi -q -x` (measurements). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from flow_core.metrics.nvidia_smi import NvidiaSmiRow, parse_number, parse_whole_number
from flow_core.models.metrics import GpuProcess, GpuSample

_GPU_LINE = re.compile(r"GPU ([0-9]{1,6}): .*")
_SLICE_LINE = re.compile(r" +MIG (\S+) +Device +([0-9]{1,6}): \(UUID: (MIG-[^)]+)\)")


@dataclass(frozen=True, slots=True)
class MigMeasurement:
    """The report of `-q -x` for one GPU: its slices by index, and the slice of each process."""

    slices: dict[int, tuple[float | None, float | None, int | None]] = field(default_factory=dict)
    index_of_instance: dict[tuple[str, str], int] = field(default_factory=dict)
    instance_of_pid: dict[int, tuple[str, str]] = field(default_factory=dict)


def add_mig_slices(rows: Iterable[NvidiaSmiRow], list_output: str, xml: str) -> tuple[GpuSample, ...]:
    """Returns every GPU, each followed by its slices. The driver does not report the utilization of a slice."""
    named = _parse_slice_names(list_output)
    measured = _parse_measurements(xml)
    found: list[GpuSample] = []
    for row in rows:
        found.append(row.gpu)
        if row.is_sliced:
            found += _build_slices(row.gpu, named.get(row.gpu.index, {}), measured.get(row.gpu.uuid, MigMeasurement()))
    return tuple(found)


def assign_processes_to_slices(
    processes: Iterable[GpuProcess], gpus: Iterable[GpuSample], xml: str
) -> tuple[GpuProcess, ...]:
    """Returns the processes, each with the UUID of its slice if the driver reports it."""
    uuid_by_index = {(gpu.index, gpu.mig_index): gpu.uuid for gpu in gpus}
    index_of = {uuid: index for (index, mig), uuid in uuid_by_index.items() if mig is None}
    measured = _parse_measurements(xml)

    def assign(process: GpuProcess) -> GpuProcess:
        measurement = measured.get(process.gpu_uuid, MigMeasurement())
        mig_index = measurement.index_of_instance.get(measurement.instance_of_pid.get(process.pid, ("", "")))
        uuid = uuid_by_index.get((index_of.get(process.gpu_uuid, -1), mig_index)) if mig_index is not None else None
        return replace(process, gpu_uuid=uuid) if uuid else process

    return tuple(map(assign, processes))


def _build_slices(gpu: GpuSample, named: dict[int, tuple[str, str]], measured: MigMeasurement) -> Iterator[GpuSample]:
    for mig_index in sorted(named.keys() | measured.slices.keys()):
        profile, uuid = named.get(mig_index, ("MIG", ""))
        used, total, ecc = measured.slices.get(mig_index, (None, None, None))
        yield GpuSample(gpu.index, profile, uuid, mig_index, memory_used_mb=used, memory_total_mb=total, ecc_errors=ecc)


def _parse_slice_names(list_output: str) -> dict[int, dict[int, tuple[str, str]]]:
    """Returns GPU index -> slice index -> (profile, UUID)."""
    named: dict[int, dict[int, tuple[str, str]]] = {}
    gpu: int | None = None
    for line in list_output.splitlines():
        if found := _GPU_LINE.match(line):
            gpu = int(found[1])
        elif gpu is not None and (found := _SLICE_LINE.match(line)):
            named.setdefault(gpu, {})[int(found[2])] = found[1], found[3]
    return named


def _parse_measurements(xml: str) -> dict[str, MigMeasurement]:
    """Returns the measurements by GPU UUID.

    Returns {} for text that is no XML or that defines entities, which are never needed.
    """
    if not xml.strip() or "<!ENTITY" in xml:
        return {}
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return {}
    return {_text(gpu, "uuid"): _parse_gpu(gpu) for gpu in root.iter("gpu")}


def _parse_gpu(gpu: ElementTree.Element) -> MigMeasurement:
    measured = MigMeasurement()
    for device in gpu.iterfind("mig_devices/mig_device"):
        index = parse_whole_number(_text(device, "index"))
        if index is None:
            continue
        memory = [parse_number(_text(device, f"fb_memory_usage/{name}")) for name in ("used", "total")]
        measured.slices[index] = memory[0], memory[1], _count_ecc_errors(device)
        measured.index_of_instance[_instance_ids(device)] = index
    for process in gpu.iterfind("processes/process_info"):
        if (pid := parse_whole_number(_text(process, "pid"))) is not None:
            measured.instance_of_pid[pid] = _instance_ids(process)
    return measured


def _count_ecc_errors(device: ElementTree.Element) -> int | None:
    """Returns the sum of the uncorrected errors; newer drivers report two kinds."""
    counts = [
        count
        for element in device.iterfind("ecc_error_count/volatile_count/*")
        if "uncorrectable" in element.tag and (count := parse_whole_number(element.text or "")) is not None
    ]
    return sum(counts) if counts else None


def _instance_ids(element: ElementTree.Element) -> tuple[str, str]:
    return _text(element, "gpu_instance_id"), _text(element, "compute_instance_id")


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
