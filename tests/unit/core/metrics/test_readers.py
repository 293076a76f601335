"""The parsers of what machines report: recordings of several drivers, and any text at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.fake_smi import RECORDED
from testbed.tables import each

from flow_core.metrics import mig, nvidia_smi, proc
from flow_core.metrics.parser import FrameParser
from flow_core.models.metrics import GpuSample


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def gpus(name: str) -> list[GpuSample]:
    return [row.gpu for row in nvidia_smi.parse_gpu_rows(recorded(name))]


def test_an_old_driver_that_lacks_a_figure_is_read() -> None:
    first, _, third = gpus("titan-x.csv")
    assert (first.index, first.name, first.uuid) == (
        0,
        "GeForce GTX TITAN X",
        "GPU-10fb0fbd-2696-43f3-467f-d280d906a107",
    )
    assert (first.utilization_percent, first.memory_used_mb, first.memory_total_mb) == (76, 8000, 12287)
    assert (third.utilization_percent, third.temperature_c, third.power_w) == (None, 71, None)


def test_figures_with_their_units_are_read() -> None:
    first, second = gpus("rtx-3090-515.csv")
    assert (first.utilization_percent, first.memory_used_mb, first.temperature_c) == (1, 963, 42)
    assert (second.utilization_percent, second.uuid) == (0, "")


def test_a_sensor_that_failed_leaves_its_figure_out_and_not_its_gpu() -> None:
    first, second, third = gpus("a6000-sensors.csv")
    assert (first.temperature_c, first.power_w, first.power_limit_w) == (None, None, 300)
    assert (second.temperature_c, second.power_w) == (32, 25.02)
    assert (third.temperature_c, third.memory_total_mb) == (None, 49140)


def test_gpus_that_are_missing_keep_the_numbers_of_the_others() -> None:
    assert [(gpu.index, gpu.utilization_percent) for gpu in gpus("h200-8.csv")] == [
        (2, 100),
        (3, 100),
        (4, 100),
        (7, 0),
    ]


def test_a_sliced_gpu_has_memory_and_power_and_no_utilization() -> None:
    (row,) = nvidia_smi.parse_gpu_rows(recorded("h100-mig-590.csv"))
    assert (row.is_sliced, row.bus_id, row.gpu.utilization_percent) == (True, "0000:00:09", None)
    assert (row.gpu.memory_used_mb, row.gpu.power_w, row.gpu.ecc_errors) == (11125, 433.78, 0)


def test_a_gpu_that_fell_off_the_bus_is_told_and_the_other_is_read() -> None:
    (only,) = gpus("lost.csv")
    assert (only.index, only.power_w) == (0, 18.42)
    assert nvidia_smi.find_error_text(recorded("lost.csv")) == (
        "Unable to determine the device handle for GPU0000:02:00.0: Unknown Error"
    )


@each(
    "output",
    [
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest"
        " NVIDIA driver is installed and running.",
        "Failed to initialize NVML: Driver/library version mismatch",
        "No devices were found",
    ],
)
def test_a_driver_that_can_not_be_asked_says_why(output: str) -> None:
    assert nvidia_smi.parse_gpu_rows(output + "\n") == ()
    assert nvidia_smi.find_error_text(output + "\nNVML library version: 580.173\n") == output


def test_a_sound_answer_is_no_complaint() -> None:
    assert [nvidia_smi.find_error_text(recorded(name)) for name in ("titan-x.csv", "h100-mig-590.csv")] == ["", ""]


NO_NUMBERS = """
    [N/A] N/A [Not|Supported] [Unknown|Error] ERR! [GPU|is|lost] [Insufficient|Permissions]
    [Requested|functionality|has|been|deprecated] - 1e5 ٣ nan inf
"""


@each("cell", ["", *(cell.replace("|", " ") for cell in NO_NUMBERS.split())])
def test_what_is_no_number_is_none(cell: str) -> None:
    assert nvidia_smi.parse_number(cell) is None


def test_processes_are_read_and_hidden_ones_are_left_out() -> None:
    found = nvidia_smi.parse_gpu_processes(recorded("titan-x-apps.csv"))
    assert [(one.pid, one.memory_mb) for one in found] == [(48448, 4000), (153223, 4000), (192453, 3000)]
    (first, *_) = nvidia_smi.parse_gpu_processes(recorded("h200-8-apps.csv"))
    assert (first.pid, first.name, first.memory_mb) == (1425258, "python3", 105842)
    assert first.gpu_uuid == "GPU-4e9e74b7-4977-f04d-3af3-ccfe5f570e90"


def test_a_process_name_may_hold_commas_and_may_be_hidden() -> None:
    header = "gpu_uuid, pid, used_gpu_memory [MiB], process_name"
    named, hidden = nvidia_smi.parse_gpu_processes(
        f"{header}\nGPU-1, 7, [N/A], python, -c, pass\nGPU-1, 524, 512, [Insufficient Permissions]\n"
    )
    assert (named.name, named.memory_mb) == ("python, -c, pass", None)
    assert (hidden.pid, hidden.name) == (524, "")


@each(
    ("name", "profile", "last"),
    [
        ("mig-450.txt", "1g.5gb", "MIG-GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f/14/0"),
        ("mig-470.txt", "3g.20gb", "MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d"),
    ],
)
def test_slices_are_named_by_drivers_before_and_since_470(name: str, profile: str, last: str) -> None:
    whole = nvidia_smi.NvidiaSmiRow(GpuSample(0, "A100"), "", is_sliced=True)
    first, *slices = mig.add_mig_slices([whole], recorded(name), "")
    assert first is whole.gpu
    assert [one.mig_index for one in slices] == list(range(len(slices)))
    assert (slices[-1].name, slices[-1].uuid, slices[-1].utilization_percent) == (profile, last, None)


def test_slices_that_nobody_names_are_measured_all_the_same() -> None:
    gpu = GpuSample(0, "A100", "GPU-27b94a00-ed54-5c24-b1fd-1054085de32a")
    _, first, second = mig.add_mig_slices(
        [nvidia_smi.NvidiaSmiRow(gpu, "", is_sliced=True)], "", recorded("a100-mig-510.xml")
    )
    assert (first.memory_used_mb, first.memory_total_mb, first.ecc_errors) == (19, 19968, 0)
    assert (second.mig_index, second.uuid) == (1, "")


def test_a_process_is_found_on_its_slice() -> None:
    xml = recorded("h100-mig-590.xml")
    listed = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)\n" + "".join(
        f"  MIG {name}     Device  {n}: (UUID: MIG-{n})\n" for n, name in enumerate(("3g.40gb", "2g.20gb"))
    )
    found = mig.add_mig_slices(nvidia_smi.parse_gpu_rows(recorded("h100-mig-590.csv")), listed, xml)
    assert [(gpu.name, gpu.mig_index, gpu.memory_total_mb) for gpu in found] == [
        ("NVIDIA H100 80GB HBM3", None, 81559),
        ("3g.40gb", 0, 40448),
        ("2g.20gb", 1, 20096),
        ("MIG", 2, 9984),
        ("MIG", 3, 9984),
    ]
    processes = mig.assign_processes_to_slices(
        nvidia_smi.parse_gpu_processes(recorded("h100-mig-590-apps.csv")), found, xml
    )
    assert [(one.pid, one.gpu_uuid) for one in processes] == [(21180, "MIG-0"), (21181, "MIG-0"), (21198, "MIG-0")]


def test_xml_that_brings_its_own_entities_is_not_read() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "' + "c" * 99 + '">]><nvidia_smi_log><gpu><uuid>&b;</uuid></gpu></nvidia_smi_log>'
    assert len(mig.add_mig_slices([nvidia_smi.NvidiaSmiRow(GpuSample(0, "A100"), "", is_sliced=True)], "", bomb)) == 1


def test_the_kernel_tells_the_last_xid_of_each_gpu_however_it_is_written() -> None:
    assert proc.parse_xids(recorded("kernel.txt")) == {
        "0000:03:00": 14,
        "0000:81:00": 31,
        "0000:01:00": 79,
        "0000:4e:00": 79,
        "0000:00:06": 31,
    }
    assert nvidia_smi.normalize_bus_id("00000000:4E:00.0") == "0000:4e:00"


def test_load_and_memory_of_linux_and_of_a_mac_are_read() -> None:
    assert (proc.parse_load("0.52 0.58 0.59 1/1041 12345"), proc.parse_load("{ 2.61 2.55 2.40 }")) == (0.52, 2.61)
    linux = "MemTotal:       1583464 kB\nMemFree:  1 kB\nMemAvailable:    1059176 kB\n"
    assert proc.parse_meminfo(linux) == pytest.approx((0.5, 1.51), abs=0.01)
    assert proc.parse_meminfo("MemTotal: 2097152 kB\nMemFree: 1048576 kB\n") == (1, 2)
    assert proc.parse_vm_stat(recorded("vm_stat.txt"), 25_769_803_776) == pytest.approx((16.5, 24), abs=0.1)


def test_owners_of_processes_are_read_and_those_that_are_gone_are_not() -> None:
    output = "dr-xr-xr-x 9 ann users 0 Nov 24 10:00 42\nls: cannot access '43': No such file\n"
    assert proc.parse_owners(output) == {42: "ann"}


def test_a_gpu_that_is_gone_is_told_though_no_row_is_left_of_it() -> None:
    rows = "1 gpu index, pci.bus_id, name\n1 gpu 0, 00000000:4E:00.0, A100"
    kernel = (
        "1 xid NVRM: Xid (PCI:0000:81:00): 79, GPU has fallen off the bus.\n1 xid NVRM: Xid (PCI:0000:4e:00): 79, x"
    )
    (sample,) = FrameParser().feed(f"{rows}\n{kernel}\n1 end\n".encode())
    assert sample.gpu_problem == "the GPU at 0000:81:00 has fallen off the bus (XID 79)"
    assert sample.gpus[0].xid == 79


ANY_TEXT = st.text() | st.lists(
    st.text() | st.sampled_from(["index, uuid", "gpu_uuid, pid, used_gpu_memory [MiB], process_name", "0, GPU-1"])
).map("\n".join)


@given(ANY_TEXT)
def test_any_text_is_read_without_harm(text: str) -> None:
    for row in nvidia_smi.parse_gpu_rows(text):
        assert row.gpu.index >= 0 or row.gpu.index < 0
    nvidia_smi.parse_gpu_processes(text)
    assert len(nvidia_smi.find_error_text(text)) <= 300
    mig.add_mig_slices([nvidia_smi.NvidiaSmiRow(GpuSample(0, "A100"), "", is_sliced=True)], text, text)
    mig.assign_processes_to_slices(nvidia_smi.parse_gpu_processes(text), (), text)
    proc.parse_load(text)
    proc.parse_meminfo(text)
    proc.parse_vm_stat(text, 1)
    proc.parse_owners(text)
    proc.parse_xids(text)


TAGS = ["gpu", "app", "list", "xml", "who", "task", "load", "mem", "cpus", "xid", "stuck", "vm", "end", "none"]
LINES = st.builds("{} {} {}".format, st.integers(0, 3), st.sampled_from(TAGS), st.text())


@given(st.lists(LINES | st.text()).map("\n".join), st.integers(1, 40))
def test_any_stream_is_read_without_harm_in_any_pieces(text: str, size: int) -> None:
    data = text.encode("utf-8", "surrogatepass")
    reader = FrameParser()
    for start in range(0, len(data), size):
        for sample in reader.feed(data[start : start + size]):
            assert sample.taken_at.tzinfo is not None


def test_a_frame_is_read_whatever_its_pieces_and_foreign_text_ends_none() -> None:
    lines = [
        "1 load 0.50 0.1 0.1 1/2 3",
        "1 cpus 8",
        "1 gpu index, uuid, memory.used [MiB], memory.total [MiB], name",
        "1 gpu 0, GPU-1, 10, 20, A100",
        "1 app gpu_uuid, pid, used_gpu_memory [MiB], process_name",
        "1 app GPU-1, 42, 10, evil",
        "1 app 1 end",
        "1 who dr-xr-xr-x 9 ann users 0 Nov 24 10:00 42",
        "1 task 42 task_abc",
        "1 end",
        "0 gpu late",
        "0 end",
        "2 stuck 12",
        "2 end",
    ]
    reader, samples = FrameParser(), []
    for byte in "\n".join([*lines, ""]).encode():
        samples += reader.feed(bytes([byte]))
    first, second = samples
    (gpu,), (process,) = first.gpus, first.processes
    assert (first.load, first.cpu_count, gpu.name, gpu.memory_used_mb) == (0.5, 8, "A100", 10)
    assert (process.name, process.user, process.task_id) == ("evil", "ann", "task_abc")
    assert (second.gpus, second.has_driver) == ((), True)
    assert "12 s" in second.gpu_problem
