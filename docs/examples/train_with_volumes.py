"""A training run in full: a name, an instance, its data and checkpoints on volumes, a limit of time."""

from flow_core import Flow, TaskConfig, VolumeSpec

config = TaskConfig(
    name="train",
    command="echo epoch 1 > $FLOW_VOLUME_CHECKPOINTS/last; cat $FLOW_VOLUME_CHECKPOINTS/last",
    env={"WANDB_MODE": "offline"},
    volumes=[VolumeSpec(name="checkpoints", size_gb=100, mount_path="/volumes/checkpoints")],
    max_run_time_hours=12,
)

with Flow() as flow:
    task = flow.run(config).wait()
    print(task.name, task.status, task.logs().strip())
    print([(volume.name, volume.size_gb) for volume in flow.list_volumes()])
