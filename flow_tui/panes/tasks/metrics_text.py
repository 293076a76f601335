"""Formats how busy a machine is, as lines of a width. Foreign text is never markup. No side effects."""

from __future__ import annotations

import textwrap
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from textual.content import Content

from flow_core.logs.escape import escape_controls
from flow_core.models.metrics import GpuSample, MachineSample
from flow_tui.widgets.sparkline import draw_bar, draw_sparkline

_MOST_KEPT = 150
_WIDE = 84
_HOT_C, _TOO_HOT_C = 80, 90
_FULL = 0.95
_MUTED, _GOOD, _WARNING, _ERROR = "$muted", "$success", "$warning", "bold $error"
# The most frequent XIDs, in the terms of NVIDIA's documentation.
_XIDS = {
    13: "graphics engine exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "preemptive cleanup after earlier errors",
    48: "double-bit ECC error",
    61: "internal micro-controller breakpoint",
    62: "internal micro-controller halt",
    63: "row remapping recorded",
    64: "row remapping failed",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    92: "high single-bit ECC error rate",
    94: "contained ECC error",
    95: "uncontained ECC error",
    119: "GSP RPC timeout",
    120: "GSP error",
}
Key = tuple[int, int | None]


class MetricsHistory:
    """The last five minutes of a machine: its `latest` sample, and how busy each GPU and the processors were."""

    def __init__(self) -> None:
        self.latest: MachineSample | None = None
        self.load: deque[float | None] = deque(maxlen=_MOST_KEPT)
        self._busy: dict[Key, deque[float | None]] = {}

    def add(self, sample: MachineSample) -> None:
        self.latest = sample
        self.load.append(sample.load)
        now = {_key(gpu): gpu.utilization_percent for gpu in sample.gpus}
        self._busy = {key: self._busy.get(key) or deque(maxlen=_MOST_KEPT) for key in now}
        for key, percent in now.items():
            self._busy[key].append(percent)

    def get_utilization(self, gpu: GpuSample) -> Sequence[float | None]:
        return tuple(self._busy.get(_key(gpu), ()))


def render_lines(history: MetricsHistory, task_id: str, width: int) -> list[Content]:
    """Returns lines of at most `width` cells, which is 40 at least. Highlights the processes of `task_id`."""
    sample = history.latest
    if sample is None:
        return [Content.styled("reading the metrics…", _MUTED)]
    lines = [
        *_gpu_lines(sample, history, width),
        *_process_lines(sample, task_id),
        *_machine_lines(sample, history, width),
    ]
    return [line.truncate(width, ellipsis=True) for line in lines]


def wrap_text(problem: str, width: int) -> Iterator[Content]:
    """Yields a foreign text wrapped into lines, to show it completely."""
    for line in textwrap.wrap(escape_controls(problem), width):
        yield Content.styled(line, _WARNING)


def _gpu_lines(sample: MachineSample, history: MetricsHistory, width: int) -> Iterator[Content]:
    yield from wrap_text(sample.gpu_problem, width)
    if not sample.gpus:
        if not sample.gpu_problem:
            yield Content("no GPU for this task" if sample.has_driver else "no NVIDIA driver on this machine")
        yield Content()
        return
    names = Counter(gpu.name for gpu in sample.gpus if gpu.mig_index is None)
    yield Content.styled(", ".join(f"{count} x {escape_controls(name)}" for name, count in names.items()), "$accent")
    for gpu in sample.gpus:
        yield _gpu_line(gpu, history, width)
        yield from _warning_lines(gpu)
    yield Content()


def _gpu_line(gpu: GpuSample, history: MetricsHistory, width: int) -> Content:
    """Formats number, utilization and its history, memory, power and temperature. Omits parts on a narrow screen."""
    watts = _format_power(gpu, has_room=width >= _WIDE)
    free_width = max(0, width - 29 - len(watts))
    bar_width = min(16, free_width // 2)
    used, total = gpu.memory_used_mb, gpu.memory_total_mb
    full = used / total if used is not None and total else None
    memory = f"{_format_gib(used)}/{_format_gib(total)}G" if total is not None else "-"
    parts = [
        (f"{_format_number(gpu):<4}", ""),
        *_busy_parts(gpu, history, bar_width, free_width - bar_width),
        (f" {memory:>12}", _WARNING if full is not None and full >= _FULL else ""),
        (watts, ""),
        (f" {gpu.temperature_c:3.0f}C" if gpu.temperature_c is not None else "", _temperature_style(gpu.temperature_c)),
    ]
    return Content.assemble(*((text, style) if style else text for text, style in parts))


def _busy_parts(gpu: GpuSample, history: MetricsHistory, bar_width: int, spark_width: int) -> Iterator[tuple[str, str]]:
    percent = gpu.utilization_percent
    if gpu.mig_index is not None:  # the utilization of a slice isn't measured; show its name instead
        yield escape_controls(gpu.name)[: bar_width + 5].ljust(bar_width + 5), _MUTED
    else:
        yield draw_bar(None if percent is None else percent / 100, bar_width), _GOOD
        yield (f"{percent:4.0f}%" if percent is not None else "   - "), ""
    yield " ", ""
    yield draw_sparkline(history.get_utilization(gpu), 100, spark_width), _MUTED


def _warning_lines(gpu: GpuSample) -> Iterator[Content]:
    if gpu.ecc_errors:
        plural = "error" if gpu.ecc_errors == 1 else "errors"
        yield Content.styled(f"    {gpu.ecc_errors:,} uncorrected ECC {plural} since the driver started", _ERROR)
    if gpu.xid is not None:
        words = _XIDS.get(gpu.xid)
        yield Content.styled(f"    XID {gpu.xid} in the kernel's log" + (f": {words}" if words else ""), _ERROR)


def _process_lines(sample: MachineSample, task_id: str) -> Iterator[Content]:
    if not sample.processes:
        return
    numbers = {gpu.uuid: _format_number(gpu) for gpu in sample.gpus}
    yield Content.styled(f"{'GPU':<4}{'PID':<9}{'USER':<11}{'MEMORY':<8}PROCESS", _MUTED)
    for process in sorted(sample.processes, key=lambda process: -(process.memory_mb or 0)):
        memory = f"{_format_gib(process.memory_mb)}G" if process.memory_mb is not None else "-"
        user, name = escape_controls(process.user or "-")[:10], escape_controls(process.name or "-")
        line = f"{numbers.get(process.gpu_uuid, '-'):<4}{process.pid:<9}{user:<11}{memory:<8}{name}"
        is_ours = process.task_id == task_id
        yield Content.styled(line, "bold") if is_ours else Content(line)
    yield Content()


def _machine_lines(sample: MachineSample, history: MetricsHistory, width: int) -> Iterator[Content]:
    cpus, load = sample.cpu_count, sample.load
    if load is not None:
        share = f"{load:.1f} of {cpus} CPUs" if cpus else f"{load:.1f}"
        yield Content.assemble(
            ("load    ", _MUTED),
            (draw_bar(load / cpus if cpus else None, 8), _GOOD),
            f" {share:<20} ",
            (draw_sparkline(tuple(history.load), cpus or 1, max(0, min(30, width - 38))), _MUTED),
        )
    used, total = sample.memory_used_gb, sample.memory_total_gb
    if used is not None and total:
        yield Content.assemble(
            ("RAM     ", _MUTED),
            (draw_bar(used / total, 8), _WARNING if used / total >= _FULL else _GOOD),
            f" {used:.1f} of {total:.1f} GB",
        )


def _key(gpu: GpuSample) -> Key:
    return gpu.index, gpu.mig_index


def _format_number(gpu: GpuSample) -> str:
    return f"{gpu.index}" if gpu.mig_index is None else f"{gpu.index}:{gpu.mig_index}"


def _format_gib(mib: float | None) -> str:
    return "-" if mib is None else f"{mib / 1024:.1f}"


def _format_power(gpu: GpuSample, *, has_room: bool) -> str:
    used = "" if gpu.power_w is None else f"{gpu.power_w:.0f}W"
    if not has_room:
        return f"{used:>6}"
    most = "" if gpu.power_limit_w is None or not used else f" of {gpu.power_limit_w:.0f}W"
    return f"{used + most:>14}"


def _temperature_style(celsius: float | None) -> str:
    if celsius is None or celsius < _HOT_C:
        return ""
    return _ERROR if celsius >= _TOO_HOT_C else _WARNING
