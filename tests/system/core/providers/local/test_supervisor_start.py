"""What every submit waits for: the start of a supervisor."""

from __future__ import annotations

import subprocess
import sys

from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

from flow_core.agent.agent_copy import get_agent_name
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.private_folders import make_private_folder

_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import flow_core.agent.supervisor.main, flow_core.agent.supervisor.task_run
print(*{name.partition('.')[0] for name in sys.modules})
"""
_SLOW = {"asyncio", "dataclasses", "inspect", "socket"}
# Where there is no /proc, processes are looked up with ps.
_SLOW |= {"shutil", "subprocess", "tempfile", "threading"} if sys.platform == "linux" else set()


def test_a_supervisor_loads_little_and_only_the_standard_library():
    root = str(ROOT)
    command = [sys.executable, "-I", "-S", "-c", _CODE, root]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert loaded <= {*sys.stdlib_module_names, "flow_core", "__main__"}
    assert loaded & _SLOW == set()


def test_a_supervisor_answers_before_it_loads_what_runs_the_task():
    code = _CODE.replace(", flow_core.agent.supervisor.task_run", "").replace(".partition('.')[0]", "")
    command = [sys.executable, "-I", "-S", "-c", code, str(ROOT)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "flow_core.agent.supervisor.main" in loaded
    late = {
        "ctypes",
        "datetime",
        *(f"flow_core.agent.{name}" for name in ("gpus", "capacity.queue", "s3.download_main")),
    }
    assert loaded & late == set()


def test_a_supervisor_checks_the_folders_before_it_reads_a_record(machine):
    root = machine.home / "state" / "local" / get_machine_id()
    task = Layout(root, "local").task("task_aaaaaaaaaa")
    make_private_folder(task.path)
    task.path.parent.chmod(0o777)
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.supervisor.main import main; main()"
    command = [sys.executable, "-I", "-S", "-c", code, str(root / "bin" / get_agent_name()), "run", str(task.path)]
    ended = subprocess.run(command, input="\n", capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert ended.stdout.startswith("unsafe others can write to ")
