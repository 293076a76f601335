"""One task on several instances: each runs the command once, and knows its rank."""

from flow_core import Flow, TaskConfig

config = TaskConfig(
    name="all-reduce",
    num_instances=3,
    command="echo rank $NODE_RANK of $NUM_NODES, meeting at $MASTER_ADDR:$MASTER_PORT",
)

with Flow() as flow:
    task = flow.run(config).wait()
    for rank in range(config.num_instances):
        print(flow.logs(task.task_id, rank=rank).strip())
