"""Lists the GPUs of a machine through a fake NVIDIA library and a fake nvidia-smi."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

LIST_GPUS = "from flow_core.agent.gpus import list_gpus; print(*map(tuple, list_gpus()))"
SMI = """#!/bin/sh
[ "$*" = "--query-gpu=uuid,memory.total,name --format=csv,noheader,nounits" ] || exit 2
echo "GPU-1, 81559, NVIDIA H100, 80GB HBM3"
echo "GPU-2, [N/A], NVIDIA GB10"
echo "Unable to determine the device handle"
"""


def list_gpus(**env: str) -> str:
    command = [sys.executable, "-c", LIST_GPUS]
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.needs("linux", "cc")
def test_the_gpus_come_from_the_drivers_library(tmp_path: Path) -> None:
    source = Path(__file__).with_name("nvml.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", source], check=True)
    first, second = ("GPU-00000000", "NVIDIA H100 80GB HBM3", 85520809984), ("GPU-00000001", "NVIDIA GB10", None)
    assert list_gpus(LD_LIBRARY_PATH=str(tmp_path)) == f"{first} {second}"


def test_without_the_library_the_gpus_come_from_nvidia_smi(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    first, second = ("GPU-1", "NVIDIA H100, 80GB HBM3", 81559 << 20), ("GPU-2", "NVIDIA GB10", None)
    assert list_gpus(PATH=f"{tmp_path}:/usr/bin:/bin") == f"{first} {second}"


def test_a_machine_whose_nvidia_smi_fails_has_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert list_gpus(PATH=f"{tmp_path}:/usr/bin:/bin") == ""
