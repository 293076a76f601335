"""Pure: the MIG slices of sliced GPUs, from `nvidia-smi -L`, which names them, and `-q -x`, which measures them."""

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
    """What `-q -x` says of one GPU: its slices by index, and which slice a process is on."""

    slices: dict[int, tuple[float | None, float | None, int | None]] = field(default_factory=dict)
    index_of_instance: dict[tuple[str, str], int] = field(default_factory=dict)
    instance_of_pid: dict[int, tuple[str, str]] = field(default_factory=dict)


def add_mig_slices(rows: Iterable[NvidiaSmiRow], listed: str, xml: str) -> tuple[GpuSample, ...]:
    """Every GPU, a sliced one followed by its slices. Nobody says how busy a slice is."""
    named = _named(listed)
    measured = _measured(xml)
    found: list[GpuSample] = []
    for row in rows:
        found.append(row.gpu)
        if row.is_sliced:
            found += _slices(row.gpu, named.get(row.gpu.index, {}), measured.get(row.gpu.uuid, MigMeasurement()))
    return tuple(found)


def assign_processes_to_slices(
    processes: Iterable[GpuProcess], gpus: Iterable[GpuSample], xml: str
) -> tuple[GpuProcess, ...]:
    """The processes, each with the UUID of the slice that it is on, where that is said."""
    by_place = {(gpu.index, gpu.mig_index): gpu.uuid for gpu in gpus}
    index_of = {uuid: index for (index, mig), uuid in by_place.items() if mig is None}
    measured = _measured(xml)

    def placed(process: GpuProcess) -> GpuProcess:
        said = measured.get(process.gpu_uuid, MigMeasurement())
        mig_index = said.index_of_instance.get(said.instance_of_pid.get(process.pid, ("", "")))
        uuid = by_place.get((index_of.get(process.gpu_uuid, -1), mig_index)) if mig_index is not None else None
        return replace(process, gpu_uuid=uuid) if uuid else process

    return tuple(map(placed, processes))


def _slices(gpu: GpuSample, named: dict[int, tuple[str, str]], measured: MigMeasurement) -> Iterator[GpuSample]:
    for mig_index in sorted(named.keys() | measured.slices.keys()):
        profile, uuid = named.get(mig_index, ("MIG", ""))
        used, total, ecc = measured.slices.get(mig_index, (None, None, None))
        yield GpuSample(gpu.index, profile, uuid, mig_index, memory_used_mb=used, memory_total_mb=total, ecc_errors=ecc)


def _named(listed: str) -> dict[int, dict[int, tuple[str, str]]]:
    """GPU index -> slice index -> (profile, UUID)."""
    named: dict[int, dict[int, tuple[str, str]]] = {}
    gpu: int | None = None
    for line in listed.splitlines():
        if found := _GPU_LINE.match(line):
            gpu = int(found[1])
        elif gpu is not None and (found := _SLICE_LINE.match(line)):
            named.setdefault(gpu, {})[int(found[2])] = found[1], found[3]
    return named


def _measured(xml: str) -> dict[str, MigMeasurement]:
    """By the GPU's UUID. Nothing where it is no XML; its own kind of entity is never needed, so none is read."""
    if not xml.strip() or "<!ENTITY" in xml:
        return {}
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError):
        return {}
    return {_text(gpu, "uuid"): _of_gpu(gpu) for gpu in root.iter("gpu")}


def _of_gpu(gpu: ElementTree.Element) -> MigMeasurement:
    measured = MigMeasurement()
    for one in gpu.iterfind("mig_devices/mig_device"):
        index = parse_whole_number(_text(one, "index"))
        if index is None:
            continue
        memory = [parse_number(_text(one, f"fb_memory_usage/{name}")) for name in ("used", "total")]
        measured.slices[index] = memory[0], memory[1], _ecc(one)
        measured.index_of_instance[_instance(one)] = index
    for process in gpu.iterfind("processes/process_info"):
        if (pid := parse_whole_number(_text(process, "pid"))) is not None:
            measured.instance_of_pid[pid] = _instance(process)
    return measured


def _ecc(one: ElementTree.Element) -> int | None:
    """Uncorrected ones; newer drivers split them in two."""
    counts = [
        count
        for element in one.iterfind("ecc_error_count/volatile_count/*")
        if "uncorrectable" in element.tag and (count := parse_whole_number(element.text or "")) is not None
    ]
    return sum(counts) if counts else None


def _instance(element: ElementTree.Element) -> tuple[str, str]:
    return _text(element, "gpu_instance_id"), _text(element, "compute_instance_id")


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
