"""Follow a log until something is wrong, then end the task. Leaving the loop closes the stream."""

from flow_core import Flow

with Flow() as flow:
    task = flow.submit("echo all well; echo 'ERROR: loss is nan'; sleep 600")
    for line in flow.logs(task.task_id, follow=True):
        if "ERROR" in line:
            print("stopping because of:", line)
            break
    task.cancel()
    print(task.wait(timeout_s=30).status)
