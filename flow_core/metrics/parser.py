"""Parses the output of the sampling script to samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from flow_core.metrics import mig, nvidia_smi, proc
from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample

_MAX_LINE_BYTES = 1 << 20
_MAX_FRAME_LINES = 20_000
_END = "end"
_OFF_THE_BUS = 79


class FrameParser:
    """A parser of lines "frame tag text", in any pieces. A frame is complete at its `end` line.

    Every line of foreign text has flow's tag before it, so foreign text can't imitate a line of flow. The parser skips
    lines that it can't read, and lines of a frame that has ended.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._number = -1
        self._frame: dict[str, list[str]] = defaultdict(list)
        self._lines = 0
        self._xids: dict[str, int] = {}

    def feed(self, data: bytes) -> list[MachineSample]:
        """Returns the samples that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_MAX_LINE_BYTES]
        return [sample for line in lines if (sample := self._parse_line(line)) is not None]

    def _parse_line(self, line: bytes) -> MachineSample | None:
        number, _, tagged = line.decode("utf-8", "replace").partition(" ")
        tag, _, text = tagged.partition(" ")
        if not (number.isascii() and number.isdigit() and len(number) < 12) or int(number) < self._number:
            return None
        if int(number) != self._number:
            self._start_frame(int(number))
        if tag == _END:
            frame = {name: "\n".join(texts) for name, texts in self._frame.items()}
            self._start_frame(self._number + 1)
            return self._build_sample(frame)
        self._lines += 1
        if self._lines <= _MAX_FRAME_LINES:
            self._frame[tag].append(text)
        return None

    def _start_frame(self, number: int) -> None:
        self._number, self._lines = number, 0
        self._frame.clear()

    def _build_sample(self, frame: Mapping[str, str]) -> MachineSample:
        self._xids |= proc.parse_xids(frame.get("xid", ""))
        rows = nvidia_smi.parse_gpu_rows(frame.get("gpu", ""))
        rows = tuple(replace(row, gpu=replace(row.gpu, xid=self._xids.get(row.bus_id))) for row in rows)
        gpus = mig.add_mig_slices(rows, frame.get("list", ""), frame.get("xml", ""))
        used, total = _parse_memory(frame)
        return MachineSample(
            datetime.now(UTC),
            gpus,
            _parse_processes(frame, gpus),
            "gpu" in frame or "stuck" in frame,
            _find_problem(frame) or self._describe_lost_gpus({row.bus_id for row in rows}),
            proc.parse_load(frame.get("load", "")),
            nvidia_smi.parse_whole_number(frame.get("cpus", "")),
            used,
            total,
        )

    def _describe_lost_gpus(self, listed: Collection[str]) -> str:
        """Returns a message about GPUs that have fallen off the bus; they have no row for their XID."""
        lost = [bus_id for bus_id, xid in self._xids.items() if xid == _OFF_THE_BUS and bus_id not in listed]
        return f"the GPU at {', '.join(lost)} has fallen off the bus (XID {_OFF_THE_BUS})" if lost else ""


def _parse_processes(frame: Mapping[str, str], gpus: tuple[GpuSample, ...]) -> tuple[GpuProcess, ...]:
    found = mig.assign_processes_to_slices(
        nvidia_smi.parse_gpu_processes(frame.get("app", "")), gpus, frame.get("xml", "")
    )
    users = proc.parse_owners(frame.get("who", ""))
    pairs = (line.partition(" ") for line in frame.get("task", "").splitlines())
    tasks = {pid: task_id for pid, _, task_id in pairs}
    return tuple(replace(one, user=users.get(one.pid, ""), task_id=tasks.get(str(one.pid), "")) for one in found)


def _find_problem(frame: Mapping[str, str]) -> str:
    if seconds := frame.get("stuck"):
        return f"nvidia-smi has not answered for {seconds} s; its driver may need a restart"
    return nvidia_smi.find_error_text(frame.get("gpu", ""))


def _parse_memory(frame: Mapping[str, str]) -> tuple[float | None, float | None]:
    if "vm" in frame:
        return proc.parse_vm_stat(frame["vm"], nvidia_smi.parse_whole_number(frame.get("memsize", "")))
    return proc.parse_meminfo(frame.get("mem", ""))
