"""Bring a running task what changed in your code since the last time."""

from pathlib import Path
from tempfile import TemporaryDirectory

from flow_core import Flow, TaskConfig

with TemporaryDirectory() as there, TemporaryDirectory() as here, Flow() as flow:
    Path(here, "train.py").write_text("print('version 2')\n")
    Path(here, ".flowignore").write_text("*.ckpt\n")
    Path(here, "huge.ckpt").write_text("stays away")
    task = flow.run(TaskConfig(command="sleep 600", working_dir=there), wait=True)
    result = flow.upload_code_to_task(task.task_id, source_dir=Path(here))
    print("sent", result.files_sent, "files,", result.bytes_sent, "bytes")
    flow.shell(task.task_id, command="python3 train.py; ls")
    task.cancel()
