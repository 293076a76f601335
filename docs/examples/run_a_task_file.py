"""Run a task that is kept in a YAML file beside this script."""

from pathlib import Path

from flow_core import Flow

with Flow() as flow:
    task = flow.run(Path(__file__).parent / "task.yaml").wait()
    print(task.name, task.status)
    print(flow.logs(task.task_id, tail=10), end="")
