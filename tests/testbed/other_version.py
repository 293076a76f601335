"""Another version of this program: a copy with a few lines changed, and a process of its own for each call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from testbed.waiting import DEADLINE_S

import flow_core
from flow_core.config import Context

NEWER = "written by a newer version of flow; update this one"
MORE_WORDS = {
    "agent/state.py": {
        'status: str = "pending"': 'status: str = "pending"\n    phase: str = "warming up"',
        'FINAL | {"pending", "running"}': 'FINAL | {"pending", "running", "computing"}',
    },
    "agent/supervisor/rank_launcher.py": {
        'state.status, state.message = "running",': 'state.status, state.message = "computing",'
    },
    "agent/capacity/leases.py": {'"task": task.name_in_records}': '"task": task.name_in_records, "share": 1.0}'},
    "agent/capacity/queue.py": {'"seq": self.seq,': '"seq": self.seq, "weight": 7,'},
    "agent/calls.py": {
        '"cancel": self._cancel,': '"cancel": self._cancel, "count": lambda fields, _: len(self._tasks.all()),'
    },
    "agent/task_report.py": {"    seq: int = 0\n": '    seq: int = 0\n    shade: str = "dark"\n'},
    "providers/over_agent/submit_requests.py": {
        '"idempotency_key": config.idempotency_key,': '"idempotency_key": config.idempotency_key, "shade": "dark",'
    },
    "providers/over_agent/task_conversion.py": {
        "TaskStatus(report.status)": 'TaskStatus("running" if report.status == "computing" else report.status)'
    },
}
"""One more field in every record and message, one more status, and one more call of the agent."""
NEXT_VERSION = {"agent/records.py": {"VERSION = 1\n": "VERSION = 2\n"}}

_CODE = """
import json, sys
from flow_core import Flow
from flow_core.config import Context
with Flow(Context(*json.loads(sys.argv[1]))) as flow:
    print(*eval(sys.argv[2]))
"""


class OtherVersion:
    """Used in the same context as this one."""

    def __init__(self, home: Path, changes: Mapping[str, Mapping[str, str]], context: Context) -> None:
        self._home = home
        self._context = context
        source = Path(flow_core.__file__).parent
        shutil.copytree(source, home / "flow_core")  # with the bytecode, which stays valid where no line changes
        for name, replaced in changes.items():
            path = home / "flow_core" / name
            text = path.read_text(encoding="utf-8")
            for old, new in replaced.items():
                assert text.count(old) == 1, (name, old)
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")

    def __call__(self, expression: str) -> list[str]:
        context = json.dumps([self._context.name, self._context.provider, dict(self._context.settings)])
        env = {**os.environ, "PYTHONPATH": str(self._home)}
        command = [sys.executable, "-c", _CODE, context, expression]
        ended = subprocess.run(
            command, cwd=self._home, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    def submit(self, command: str, gpus: int) -> str:
        (task_id,) = self(f"[flow.submit({command!r}, instance_type='a100:{gpus}', upload_code=False).task_id]")
        return task_id

    def statuses(self) -> dict[str, str]:
        found = self("[f'{task.task_id}={task.status}' for task in flow.list_tasks(limit=99)]")
        return dict(one.split("=") for one in found)
