"""Submit a command, watch what it says, and see how it ended."""

from flow_core import Flow

with Flow() as flow:
    task = flow.submit("for step in 1 2 3; do echo step $step; sleep 0.1; done")
    print("submitted", task.task_id)
    for line in flow.logs(task.task_id, follow=True):
        print("  ", line)
    task.refresh()
    print(task.status, "with exit code", task.exit_code)
