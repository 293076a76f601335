"""What runs on a machine to measure it, in every sh that is here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from testbed.fake_smi import FakeSmi
from testbed.waiting import DEADLINE_S, wait_until

from flow_core.agent.processes.table import list_processes
from flow_core.metrics.parser import FrameParser
from flow_core.metrics.stream import build_sampling_script
from flow_core.models.metrics import MachineSample

SHELLS = [["/bin/sh"], *([name] for name in ("bash", "mksh") if shutil.which(name))]
SHELLS += [["busybox", "sh"]] if shutil.which("busybox") else []
APPS = "gpu_uuid, pid, used_gpu_memory [MiB], process_name"


class Sampling:
    """The script at work."""

    def __init__(self, shell: list[str], path: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*shell, "-c", build_sampling_script(1, 2)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**env, "PATH": path},
            start_new_session=True,
        )
        self._reader = FrameParser()

    def until(self, wanted: Callable[[MachineSample], object]) -> MachineSample:
        assert self.process.stdout is not None
        deadline, seen = time.monotonic() + DEADLINE_S, []
        while time.monotonic() < deadline:
            seen += (samples := self._reader.feed(os.read(self.process.stdout.fileno(), 1 << 16)))
            for sample in samples:
                if wanted(sample):
                    return sample
        pytest.fail(f"never seen, but {seen[-1:]}")

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)


@pytest.fixture
def smi(tmp_path: Path) -> FakeSmi:
    return FakeSmi(tmp_path)


@pytest.fixture(params=SHELLS, ids=" ".join)
def sampling(request: pytest.FixtureRequest, smi: FakeSmi) -> Iterator[Callable[..., Sampling]]:
    started: list[Sampling] = []

    def start(*, has_gpus: bool = True) -> Sampling:
        path = f"{smi.bin}:{os.environ['PATH']}" if has_gpus else os.environ["PATH"]
        started.append(Sampling(request.param, path, dict(os.environ)))
        return started[-1]

    yield start
    for one in started:
        one.end()


def group(leader: int) -> list[str]:
    rows = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    found = (row.split(None, 2) for row in rows.splitlines())
    return [words[-1] for words in found if words[0] == str(leader) and not words[1].startswith("Z")]


def until_gone(leader: int) -> None:
    def is_gone() -> bool:
        return all(one.group != leader or one.is_zombie for one in list_processes().values())

    wait_until(is_gone, explain=lambda: group(leader))


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is one here")
def test_a_machine_without_a_driver_says_what_else_it_knows(sampling: Callable[..., Sampling]) -> None:
    sample = sampling(has_gpus=False).until(lambda _: True)
    assert (sample.gpus, sample.processes, sample.has_driver, sample.gpu_problem) == ((), (), False, "")
    assert sample.load is not None
    assert sample.cpu_count == os.cpu_count()
    assert 0 < (sample.memory_used_gb or 0) < (sample.memory_total_gb or 0)


def test_gpus_and_processes_with_their_owners_are_told(sampling: Callable[..., Sampling], smi: FakeSmi) -> None:
    smi.set_output("rtx-3090-515.csv", apps=f"{APPS}\nGPU-1, {os.getpid()}, 10, py\nGPU-1, 999999999, 1, x\n")
    sample = sampling().until(lambda one: one.gpus)
    assert [gpu.memory_used_mb for gpu in sample.gpus] == [963, 1]
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert [process.user for process in sample.processes] == [me, ""]


@pytest.mark.parametrize("sampling", SHELLS[:1], indirect=True)  # busybox has a dmesg of its own
def test_what_the_kernel_says_of_a_gpu_is_told(sampling: Callable[..., Sampling], smi: FakeSmi) -> None:
    rows = ["0, 00000000:4E:00.0, A100", "1, 00000000:4F:00.0, A100"]
    smi.set_output("\n".join(["index, pci.bus_id, name", *rows]), kernel="kernel.txt")
    running = sampling()
    assert [[gpu.xid for gpu in running.until(lambda one: one.gpus).gpus] for _ in range(2)] == [[79, None]] * 2


def test_a_process_of_a_task_of_ours_is_known_by_it(sampling: Callable[..., Sampling], smi: FakeSmi) -> None:
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, "FLOW_TASK_ID": "task_abc"}) as process:
        smi.set_output(
            gpu="index, uuid, name\n0, GPU-1, A100\n",
            apps=f"{APPS}\nGPU-1, {process.pid}, 10, sleep\n",
        )
        sample = sampling().until(lambda one: one.processes)
        process.kill()
    assert [one.task_id for one in sample.processes] == ["task_abc"]


def test_slices_are_asked_for_where_a_gpu_is_sliced(sampling: Callable[..., Sampling], smi: FakeSmi) -> None:
    smi.set_output("h100-mig-590.csv", "h100-mig-590-apps.csv", "mig-470.txt", "h100-mig-590.xml")
    sample = sampling().until(lambda one: one.gpus)
    assert [(gpu.name, gpu.memory_total_mb) for gpu in sample.gpus[1:3]] == [("3g.20gb", 40448), ("3g.20gb", 20096)]
    assert {process.gpu_uuid for process in sample.processes} == {"MIG-c7384736-a75d-5afc-978f-d2f1294409fd"}


def test_a_driver_that_knows_no_slices_is_asked_again_without_them(
    sampling: Callable[..., Sampling], smi: FakeSmi
) -> None:
    smi.know_no_mig()
    smi.set_output("titan-x.csv", "titan-x-apps.csv")
    sample = sampling().until(lambda one: one.gpus)
    assert (len(sample.gpus), sample.gpu_problem) == (3, "")
    assert not any(call == "-L" for call in smi.calls)


@pytest.mark.parametrize("beyond_signals", [False, True], ids=["killable", "beyond signals"])
def test_a_driver_that_hangs_is_told_of_and_the_rest_goes_on(
    sampling: Callable[..., Sampling], smi: FakeSmi, beyond_signals: bool
) -> None:
    smi.set_output("titan-x.csv")
    smi.hang(beyond_signals=beyond_signals)
    running = sampling()
    sample = running.until(lambda one: one.gpu_problem)
    assert "not answer" in sample.gpu_problem
    assert (sample.has_driver, sample.load is not None, sample.cpu_count) == (True, True, os.cpu_count())
    smi.answer()
    assert running.until(lambda one: one.gpus).gpu_problem == ""


@pytest.mark.parametrize("hangs", [False, True], ids=["", "while it hangs"])
def test_it_ends_with_its_stdin_and_takes_everything_with_it(
    sampling: Callable[..., Sampling], smi: FakeSmi, hangs: bool
) -> None:
    smi.set_output("titan-x.csv")
    running = sampling()
    running.until(lambda one: one.gpus)
    if hangs:
        smi.hang()
        running.until(lambda one: one.gpu_problem)
    assert running.process.stdin is not None
    running.process.stdin.close()
    until_gone(running.process.pid)


def test_it_ends_nobody_else_where_it_leads_no_group(smi: FakeSmi, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(build_sampling_script(1, 2))
    server = "sleep 1000 & /bin/sh script | { read -r line; echo $line; cat >/dev/null; }; wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", server],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": f"{smi.bin}:{os.environ['PATH']}"},
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"1 ")
        process.stdin.close()
        wait_until(lambda: not any("sleep 1000" not in one for one in group(process.pid)[1:]))
        assert any("sleep 1000" in one for one in group(process.pid))
        os.killpg(process.pid, signal.SIGKILL)


def test_it_ends_when_who_started_it_is_killed(smi: FakeSmi, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(build_sampling_script(1, 2))
    starter = (
        "import subprocess as s, time\n"
        "p = s.Popen(['/bin/sh', 'script'], stdin=s.PIPE, stdout=s.PIPE, start_new_session=True)\n"
        "print(p.pid, flush=True)\ntime.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        leader = int(process.stdout.readline())
        assert group(leader)
        process.kill()
    until_gone(leader)
