"""Several tasks at once, and which was best. They queue where there are fewer GPUs than tasks."""

from flow_core import Flow, TaskConfig

rates = ["1e-3", "3e-4", "1e-4"]

with Flow() as flow:
    tasks = [
        flow.run(TaskConfig(name=f"lr-{rate}", command="sleep 0.1; echo loss $RATE", env={"RATE": rate}))
        for rate in rates
    ]
    losses = {}
    for rate, task in zip(rates, tasks, strict=True):
        task.wait(timeout_s=60)
        losses[rate] = float(flow.logs(task.task_id, tail=1).split()[-1])
    print("best rate:", min(losses, key=losses.__getitem__))
