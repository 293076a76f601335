"""The GPUs of emulated machines: a program nvidia-smi that answers as NVIDIA's does."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from testbed.node_lab import MachineLab
from testbed.waiting import until

from flow_core.emulator.nodes.first_boot_disk import write_shims
from flow_core.emulator.nodes.gpus import read_nvidia_smi

pytestmark = pytest.mark.needs("user-namespaces", "ssh", "ssh-keygen")
EIGHT = {"gpu_type": "H100", "gpu_count": 8}
TRAINING = "exec -a train sleep 1000"
UUID = r"GPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


async def rows(lab: MachineLab, port: int, query: str) -> list[list[str]]:
    """The cells that nvidia-smi prints for a query, without header and units."""
    done = await lab.ssh(port, f"nvidia-smi --query-{query} --format=csv,noheader,nounits")
    assert (done.code, done.err) == (0, "")
    return [line.split(", ") for line in done.out.splitlines()]


async def boot(lab: MachineLab, script: str | None = None, **fields: Any) -> int:
    return await lab.machines.boot(lab.spec(script, **EIGHT | fields))


async def test_each_gpu_of_the_instance_type_is_listed_with_its_name_and_id(lab: MachineLab) -> None:
    port = await boot(lab)
    done = await lab.ssh(port, "CUDA_VISIBLE_DEVICES=0,1 nvidia-smi -L")
    lines = done.out.splitlines()
    assert len(lines) == 8, done
    for index, line in enumerate(lines):
        assert re.fullmatch(rf"GPU {index}: NVIDIA H100 80GB HBM3 \(UUID: {UUID}\)", line)
    assert len(set(lines)) == 8
    other = await boot(lab, fid="inst_two")
    assert not set((await lab.ssh(other, "nvidia-smi --list-gpus")).out.splitlines()) & set(lines)


@pytest.mark.parametrize(
    ("gpu_type", "count", "name", "memory_mib"),
    [
        ("A100", 1, "NVIDIA A100-SXM4-80GB", 81920),
        ("H200", 8, "NVIDIA H200", 143771),
        ("B200", 2, "NVIDIA B200", 183359),
    ],
)
async def test_the_gpus_are_those_of_the_instance_type(
    lab: MachineLab, gpu_type: str, count: int, name: str, memory_mib: int
) -> None:
    port = await boot(lab, gpu_type=gpu_type, gpu_count=count)
    assert await rows(lab, port, "gpu=index,name,memory.total") == [
        [str(index), name, str(memory_mib)] for index in range(count)
    ]


@pytest.mark.parametrize("fields", [{"gpu_type": "v6e", "gpu_count": 8}, {"gpu_count": 0}])
async def test_a_machine_without_nvidia_gpus_has_no_such_program(lab: MachineLab, fields: dict[str, Any]) -> None:
    port = await boot(lab, **fields)
    assert (await lab.ssh(port, "command -v nvidia-smi")).code != 0


async def test_a_query_has_a_header_and_units_unless_they_are_left_out(lab: MachineLab) -> None:
    port = await boot(lab, gpu_count=1)
    fields = "gpu_name,index,utilization.gpu,memory.used,power.limit,mig.mode.current,fan.speed"
    done = await lab.ssh(port, f"nvidia-smi --query-gpu={fields} --format=csv")
    header, row = done.out.splitlines()
    names = "name, index, utilization.gpu [%], memory.used [MiB], power.limit [W], mig.mode.current, fan.speed [%]"
    assert header == names
    assert re.fullmatch(r"NVIDIA H100 80GB HBM3, 0, 0 %, \d+ MiB, 700\.00 W, Disabled, \[N/A\]", row)
    bare = await lab.ssh(port, f"nvidia-smi --query-gpu {fields} --format csv,noheader,nounits -i 0")
    assert re.fullmatch(r"NVIDIA H100 80GB HBM3, 0, 0, \d+, 700\.00, Disabled, \[N/A\]\n", bare.out)


async def test_unknown_fields_devices_and_options_are_refused_as_by_the_real_program(lab: MachineLab) -> None:
    port = await boot(lab)
    wrong = await lab.ssh(port, "nvidia-smi --query-gpu=index,height --format=csv")
    assert (wrong.code, wrong.out.strip()) == (2, 'Field "height" is not a valid field to query.')
    nobody = await lab.ssh(port, "nvidia-smi -i 8 --query-gpu=index --format=csv")
    assert (nobody.code, nobody.out.strip()) == (6, "No devices were found")
    for option in ("dmon", "-q"):
        refused = await lab.ssh(port, f"nvidia-smi {option}")
        assert refused.code == 1
        assert option in refused.err


async def test_one_gpu_is_asked_for_by_number_id_or_address(lab: MachineLab) -> None:
    port = await boot(lab)
    known = await rows(lab, port, "gpu=index,uuid,pci.bus_id")
    for one in known[3]:
        done = await lab.ssh(port, f"nvidia-smi --id={one} --query-gpu=index --format=csv,noheader")
        assert done.out == "3\n"
    two = await lab.ssh(port, "nvidia-smi -i 6,1 -L")
    assert [line[:6] for line in two.out.splitlines()] == ["GPU 1:", "GPU 6:"]


async def test_gpus_are_busy_while_the_script_runs_a_program_and_idle_after_it(lab: MachineLab) -> None:
    port = await boot(lab, "sleep 1000 & exec -a train sleep 1000")
    await lab.until(port, "pgrep -f ^train", lambda done: done.out.count("\n") == 1)

    async def busy() -> list[list[str]] | None:
        found = await rows(lab, port, "gpu=utilization.gpu,memory.used,power.draw,temperature.gpu")
        return found if min(int(row[0]) for row in found) > 10 else None

    for percent, memory, watts, celsius in await until(busy):
        assert int(percent) <= 100
        assert 1000 < int(memory) < 81559
        assert 150 < float(watts) < 700
        assert 25 < int(celsius) < 80
    pid = (await lab.ssh(port, "pgrep -f ^train")).out.strip()
    apps = await rows(lab, port, "compute-apps=gpu_uuid,pid,process_name,used_memory")
    assert [row[0] for row in apps] == [row[0] for row in await rows(lab, port, "gpu=uuid")]
    assert {(row[1], row[2]) for row in apps} == {(pid, "train")}
    await lab.ssh(port, f"kill {pid}")
    await lab.until(port, f"! kill -0 {pid}")
    assert await rows(lab, port, "compute-apps=pid") == []
    assert {row[0] for row in await rows(lab, port, "gpu=utilization.gpu")} == {"0"}


async def test_the_figures_change_while_a_program_runs(lab: MachineLab) -> None:
    port = await boot(lab, TRAINING)
    seen: list[set[str]] = [set(), set(), set(), set()]

    async def changed() -> bool:
        figures = (await rows(lab, port, "gpu=utilization.gpu,memory.used,power.draw,temperature.gpu"))[0]
        for values, figure in zip(seen, figures, strict=True):
            values.add(figure)
        return all(len(values) > 2 for values in seen)

    await until(changed, explain=lambda: seen)


async def test_a_rank_and_a_program_with_visible_devices_use_their_own_gpus(lab: MachineLab) -> None:
    rank = "LOCAL_RANK=5 LOCAL_WORLD_SIZE=8 bash -c 'exec -a rank sleep 1000' &"
    alone = "LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 CUDA_VISIBLE_DEVICES=2,3 bash -c 'exec -a two sleep 1000' &"
    port = await boot(lab, f"{rank}\n{alone}\nCUDA_VISIBLE_DEVICES= exec -a none sleep 1000")
    await lab.until(port, "pgrep -f ^none && pgrep -f ^two && pgrep -f ^rank")
    index = {uuid: index for index, uuid in await rows(lab, port, "gpu=index,uuid")}
    apps = await rows(lab, port, "compute-apps=gpu_uuid,process_name")
    assert sorted((index[uuid], name) for uuid, name in apps) == [("2", "two"), ("3", "two"), ("5", "rank")]
    used = await rows(lab, port, "gpu=utilization.gpu")
    assert [row == ["0"] for row in used] == [True, True, False, False, True, False, True, True]


async def test_of_programs_started_in_a_shell_only_python_uses_the_gpus(lab: MachineLab) -> None:
    port = await boot(lab)
    command = "(exec -a vim sleep 1000) & (exec -a python3 sleep 1000) & echo; wait"
    session = await asyncio.create_subprocess_exec(*lab.client(), "-p", str(port), "x@127.0.0.1", command)
    await lab.until(port, "pgrep -f ^vim && pgrep -f ^python3")
    assert {tuple(row) for row in await rows(lab, port, "compute-apps=process_name")} == {("python3",)}
    session.kill()
    await session.wait()


async def test_the_table_shows_gpus_and_programs(lab: MachineLab) -> None:
    port = await boot(lab, TRAINING, gpu_count=1)
    await lab.until(port, "pgrep -f ^train")
    lines = (await lab.ssh(port, "nvidia-smi")).out.splitlines()
    assert {len(line) for line in lines[1:]} == {91}
    text = "\n".join(lines)
    assert "Driver Version: " in text
    assert re.search(r"\|   0  NVIDIA H100 80GB HBM3 +On  \|   0{8}:[0-9A-F]{2}:00\.0 Off \| +0 \|", text)
    assert re.search(r"\| N/A +\d+C +P0 +\d+W / +700W \| +\d+MiB / +81559MiB \| +\d+% +Default \|", text)
    assert re.search(r"\|    0   N/A  N/A +\d+ +C   train +\d+MiB \|", text)
    idle = await boot(lab, fid="inst_two")
    assert "No running processes found" in (await lab.ssh(idle, "nvidia-smi")).out


async def test_in_a_loop_it_goes_on_with_one_header(lab: MachineLab) -> None:
    port = await boot(lab, gpu_count=1)
    query = "nvidia-smi --query-gpu=index,name --format=csv"
    loops = ("-l 1", "--loop=1", "-lms 100", "--loop-ms=100")
    for done in await asyncio.gather(*(lab.ssh(port, f"{query} {loop} | head -n 3") for loop in loops)):
        assert done.out.splitlines() == ["index, name", *["0, NVIDIA H100 80GB HBM3"] * 2]


async def test_a_script_can_call_it(lab: MachineLab) -> None:
    script = "set -e\nnvidia-smi -pm 1\nnvidia-smi -L | wc -l\nsudo nvidia-smi >/dev/null\necho done"
    port = await boot(lab, script)
    log = await lab.until(port, "cat /var/log/foundry/startup_script.log", lambda done: "\ndone" in done.out)
    assert log.splitlines()[-3:] == ["All done.", "8", "done"]
    assert await rows(lab, port, "compute-apps=pid") == []


def test_a_program_of_the_host_is_never_overwritten_by_a_machines_own(tmp_path: Path) -> None:
    (tmp_path / "of-host").write_text("theirs")
    for name in ("sudo", "nvidia-smi", "mount"):
        (tmp_path / name).symlink_to("of-host")
    write_shims(tmp_path, has_gpus=True)
    assert (tmp_path / "of-host").read_text() == "theirs"
    assert (tmp_path / "nvidia-smi").read_text() == read_nvidia_smi()


async def test_without_isolation_only_the_programs_of_this_machine_are_shown(shared: MachineLab) -> None:
    script = f"# flow-startup v1\n{TRAINING}"
    port = await boot(shared, script)
    idle = await boot(shared, fid="inst_two")

    async def names(of: int) -> set[str]:
        return {row[0] for row in await rows(shared, of, "compute-apps=process_name")}

    async def runs() -> bool:
        return await names(port) == {"train"}

    await until(runs)
    assert await names(idle) == set()
    assert len((await shared.ssh(idle, "nvidia-smi -L")).out.splitlines()) == 8
