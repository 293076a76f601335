"""From the bytes of a sampling channel to samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from flow_core.metrics import mig, nvidia_smi, proc
from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample

_LONGEST_LINE = 1 << 20
_MOST_LINES = 20_000
_END = "end"
_OFF_THE_BUS = 79


class FrameParser:
    """Reads lines "frame tag text", in any pieces; a frame is whole at its `end`.

    Every line of foreign text bears our tag, so none can be taken for another. What can't be read is left out; lines
    that come after their frame was given up are ignored.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._number = -1
        self._frame: dict[str, list[str]] = defaultdict(list)
        self._lines = 0
        self._xids: dict[str, int] = {}

    def feed(self, data: bytes) -> list[MachineSample]:
        """The samples that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_LONGEST_LINE]
        return [sample for line in lines if (sample := self._take(line)) is not None]

    def _take(self, line: bytes) -> MachineSample | None:
        number, _, tagged = line.decode("utf-8", "replace").partition(" ")
        tag, _, text = tagged.partition(" ")
        if not (number.isascii() and number.isdigit() and len(number) < 12) or int(number) < self._number:
            return None
        if int(number) != self._number:
            self._begin(int(number))
        if tag == _END:
            frame = {name: "\n".join(texts) for name, texts in self._frame.items()}
            self._begin(self._number + 1)
            return self._sample(frame)
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self._frame[tag].append(text)
        return None

    def _begin(self, number: int) -> None:
        self._number, self._lines = number, 0
        self._frame.clear()

    def _sample(self, frame: Mapping[str, str]) -> MachineSample:
        self._xids |= proc.parse_xids(frame.get("xid", ""))
        rows = nvidia_smi.parse_gpu_rows(frame.get("gpu", ""))
        rows = tuple(replace(row, gpu=replace(row.gpu, xid=self._xids.get(row.bus))) for row in rows)
        gpus = mig.add_mig_slices(rows, frame.get("list", ""), frame.get("xml", ""))
        used, total = _memory(frame)
        return MachineSample(
            datetime.now(UTC),
            gpus,
            _processes(frame, gpus),
            "gpu" in frame or "stuck" in frame,
            _problem(frame) or self._lost({row.bus for row in rows}),
            proc.parse_load(frame.get("load", "")),
            nvidia_smi.parse_whole_number(frame.get("cpus", "")),
            used,
            total,
        )

    def _lost(self, listed: Collection[str]) -> str:
        """A GPU that is gone has no row where its XID could stand."""
        lost = [bus for bus, xid in self._xids.items() if xid == _OFF_THE_BUS and bus not in listed]
        return f"the GPU at {', '.join(lost)} has fallen off the bus (XID {_OFF_THE_BUS})" if lost else ""


def _processes(frame: Mapping[str, str], gpus: tuple[GpuSample, ...]) -> tuple[GpuProcess, ...]:
    found = mig.assign_processes_to_slices(
        nvidia_smi.parse_gpu_processes(frame.get("app", "")), gpus, frame.get("xml", "")
    )
    users = proc.parse_owners(frame.get("who", ""))
    pairs = (line.partition(" ") for line in frame.get("task", "").splitlines())
    tasks = {pid: task_id for pid, _, task_id in pairs}
    return tuple(replace(one, user=users.get(one.pid, ""), task_id=tasks.get(str(one.pid), "")) for one in found)


def _problem(frame: Mapping[str, str]) -> str:
    if seconds := frame.get("stuck"):
        return f"nvidia-smi has not answered for {seconds} s; its driver may need a restart"
    return nvidia_smi.find_error_text(frame.get("gpu", ""))


def _memory(frame: Mapping[str, str]) -> tuple[float | None, float | None]:
    if "vm" in frame:
        return proc.parse_vm_stat(frame["vm"], nvidia_smi.parse_whole_number(frame.get("memsize", "")))
    return proc.parse_meminfo(frame.get("mem", ""))
