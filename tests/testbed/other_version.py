"""Another version of this program: a copy with a few lines changed, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Mapping
from importlib.util import cache_from_source
from pathlib import Path

from testbed.waiting import DEADLINE_S, has_input

import flow_core
from flow_core.config import Context

NEWER = "written by a newer version of flow; update this one"
MORE_WORDS = {
    "agent/task_state.py": {
        'status: str = "pending"': 'status: str = "pending"\n    phase: str = "warming up"',
        'FINAL | {"pending", "running"}': 'FINAL | {"pending", "running", "computing"}',
    },
    "agent/supervisor/rank_launcher.py": {
        'state.status, state.message = "running",': 'state.status, state.message = "computing",'
    },
    "agent/capacity/leases.py": {'"task": task.name_in_records}': '"task": task.name_in_records, "share": 1.0}'},
    "agent/capacity/queue.py": {'"seq": self.seq,': '"seq": self.seq, "weight": 7,'},
    "agent/calls.py": {
        '"cancel": self._cancel,': '"cancel": self._cancel, "count": lambda fields, _: len(self._tasks.list_all()),'
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
context = Context(*json.loads(sys.argv[1]))
for line in sys.stdin:
    with Flow(context) as flow:
        print(*eval(line))
    print(sys.argv[2], flush=True)
"""
_END = "-- end of the answer"


class OtherVersion:
    """A program of another version in the same context. Each call uses a new client."""

    def __init__(self, home: Path, changes: Mapping[str, Mapping[str, str]], context: Context) -> None:
        source = Path(flow_core.__file__).parent
        shutil.copytree(source, home / "flow_core")  # with the bytecode, which stays valid where no line changes
        for name, replaced in changes.items():
            path = home / "flow_core" / name
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
            text = path.read_text(encoding="utf-8")
            for old, new in replaced.items():
                assert text.count(old) == 1, (name, old)
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
        named = json.dumps([context.name, context.provider, dict(context.settings)])
        self._errors = home / "errors"
        with self._errors.open("wb") as errors:
            self._program = subprocess.Popen(
                [sys.executable, "-c", _CODE, named, _END],
                cwd=home,
                env={**os.environ, "PYTHONPATH": str(home)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        weakref.finalize(self, _end, self._program)

    def __call__(self, expression: str) -> list[str]:
        """Returns the words that the expression prints."""
        assert self._program.stdin is not None
        self._program.stdin.write(expression.encode() + b"\n")
        self._program.stdin.flush()
        output = b""
        while not output.endswith(_END.encode() + b"\n"):
            output += self._read()
        return output.decode().removesuffix(_END + "\n").split()

    def _read(self) -> bytes:
        assert self._program.stdout is not None
        assert has_input(self._program.stdout.fileno(), DEADLINE_S), "the other version does not answer"
        piece = os.read(self._program.stdout.fileno(), 1 << 16)
        assert piece, self._errors.read_text()
        return piece

    def submit(self, command: str, gpus: int) -> str:
        (task_id,) = self(f"[flow.submit({command!r}, instance_type='a100:{gpus}', upload_code=False).task_id]")
        return task_id

    def statuses(self) -> dict[str, str]:
        found = self("[f'{task.task_id}={task.status}' for task in flow.list_tasks(limit=99)]")
        return dict(one.split("=") for one in found)


def _end(program: subprocess.Popen[bytes]) -> None:
    program.communicate()
