"""What every submit waits for: the imports of a supervisor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import flow_core

_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import flow_core.agent.supervisor.main
print(*{name.partition('.')[0] for name in sys.modules})
"""
_SLOW = {"asyncio", "dataclasses", "inspect", "socket"}
# Where there is no /proc, processes are looked up with ps.
_SLOW |= {"shutil", "subprocess", "tempfile", "threading"} if sys.platform == "linux" else set()


def test_a_supervisor_loads_little_and_only_the_standard_library():
    root = str(Path(flow_core.__file__).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _CODE, root]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert loaded <= {*sys.stdlib_module_names, "flow_core", "__main__"}
    assert loaded & _SLOW == set()
