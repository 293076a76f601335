"""A task that fails is tried again; every attempt has a log of its own."""

from flow_core import Flow, Retries, TaskConfig

config = TaskConfig(
    name="flaky",
    command="if [ -e tried ]; then echo it works now; else touch tried; echo not yet; exit 1; fi",
    retries=Retries(max_retries=2, delay_s=0.1),
)

with Flow() as flow:
    task = flow.run(config).wait()
    print(task.status, "after", task.attempt + 1, "attempts")
    for attempt in range(task.attempt + 1):
        print(attempt, flow.logs(task.task_id, attempt=attempt).strip())
