"""The text of a machine's metrics, at any width."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from rich.cells import cell_len
from testbed.tables import each

from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample
from flow_tui.panes.tasks.metrics_text import MetricsHistory, render_lines

H100 = GpuSample(0, "NVIDIA H100", "GPU-0", None, 50, 73_000, 81_559, 612.3, 700, 64, 0)
BUSY = MachineSample(
    datetime.now(UTC),
    (H100, replace(H100, index=1, uuid="GPU-1", utilization_percent=None, power_w=None, temperature_c=91)),
    (GpuProcess(7, "GPU-0", "small", 10, "bob"), GpuProcess(8, "GPU-0", "train", 70_000, "ana", "task_1")),
    True,
    load=33.2,
    cpu_count=208,
    memory_used_gb=579.0,
    memory_total_gb=1480.0,
)


def render(sample: MachineSample, width: int = 90, times: int = 1) -> str:
    history = MetricsHistory()
    for _ in range(times):
        history.add(sample)
    return "\n".join(line.plain.rstrip() for line in render_lines(history, "task_1", width))


def test_a_gpu_is_told_by_its_figures_and_what_is_not_known_is_left_out() -> None:
    first, second = render(BUSY).splitlines()[1:3]
    for figure in ("0 ", "50%", "71.3/79.6G", "612W of 700W", "64C", "▅"):
        assert figure in first
    assert "-" in second
    assert "W" not in second
    assert second.endswith("91C")


def test_processes_come_by_their_memory_and_the_machine_last() -> None:
    lines = render(BUSY).splitlines()
    assert lines[0] == "2 x NVIDIA H100"
    assert lines[4:7] == [
        "GPU PID      USER       MEMORY  PROCESS",
        "0   8        ana        68.4G   train",
        "0   7        bob        0.0G    small",
    ]
    assert lines[-2].startswith("load    ▓░░░░░░░ 33.2 of 208 CPUs")
    assert lines[-1] == "RAM     ▓▓▓░░░░░ 579.0 of 1480.0 GB"


def test_what_is_wrong_with_a_gpu_is_said_below_it() -> None:
    broken = replace(BUSY, gpus=(replace(H100, ecc_errors=3, xid=79), replace(H100, index=1, ecc_errors=1, xid=999)))
    text = render(broken)
    assert "3 uncorrected ECC errors" in text
    assert "XID 79 in the kernel's log: the GPU has fallen off the bus" in text
    assert "1 uncorrected ECC error since" in text
    assert "XID 999 in the kernel's log\n" in text


def test_slices_follow_their_gpu_by_name_and_without_a_bar() -> None:
    slices = (replace(H100, utilization_percent=None), GpuSample(0, "3g.40gb", "MIG-0", 0, memory_total_mb=40_448))
    lines = render(replace(BUSY, gpus=slices)).splitlines()
    assert lines[0] == "1 x NVIDIA H100"
    assert lines[2].split() == ["0:0", "3g.40gb", "-/39.5G"]


@each(
    ("sample", "words"),
    [
        (MachineSample(BUSY.taken_at, load=1.0), "no NVIDIA driver on this machine"),
        (MachineSample(BUSY.taken_at, has_driver=True), "no GPU for this task"),
        (MachineSample(BUSY.taken_at, has_driver=True, gpu_problem="No devices were found"), "No devices were found"),
    ],
)
def test_a_machine_without_gpus_is_told_in_words(sample: MachineSample, words: str) -> None:
    assert render(sample).splitlines()[0] == words


def test_what_a_driver_says_can_be_read_to_its_end() -> None:
    problem = (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that it is running."
    )
    lines = render(MachineSample(BUSY.taken_at, has_driver=True, gpu_problem=problem), 48).splitlines()
    assert " ".join(lines[:3]).strip() == problem


@each("width", [40, 48, 66, 90, 200])
def test_no_line_is_wider_than_there_is_room(width: int) -> None:
    long = replace(BUSY, gpu_problem="x" * 300, processes=(GpuProcess(7, "", "名" * 300, None, "u" * 40),))
    lines = render(long, width, times=300).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any("64C" in line for line in lines)


def test_foreign_text_is_shown_as_it_is() -> None:
    nasty = "[red]x[/\x1b[2J"
    gpus = (replace(H100, name=nasty), GpuSample(0, nasty, "MIG-0", 0))
    text = render(replace(BUSY, gpus=gpus, gpu_problem=nasty, processes=(GpuProcess(7, "", nasty, None, nasty),)))
    assert "\x1b" not in text
    assert text.count("[red]x[/␛") == 5


def test_history_is_bounded_and_forgets_gpus_that_are_gone() -> None:
    history = MetricsHistory()
    for number in range(1000):
        history.add(replace(BUSY, gpus=(replace(H100, utilization_percent=number),)))
    assert len(history.get_utilization(H100)) == len(history.load) == 150
    assert history.get_utilization(H100)[-1] == 999
    history.add(replace(BUSY, gpus=()))
    assert history.get_utilization(H100) == ()
