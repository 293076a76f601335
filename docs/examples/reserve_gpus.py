"""Hold GPUs for two hours, and run on them while nobody else can.

On a machine without GPUs try it with pretend ones: FLOW_LOCAL_GPUS=a100:4 python reserve_gpus.py
"""

from flow_core import Flow, TaskConfig

with Flow() as flow:
    held = flow.reserve("a100:2", duration_hours=2)
    print(held.reservation_id, held.status, held.instance_type)
    config = TaskConfig(
        name="on-reserved",
        command="echo running on GPU $CUDA_VISIBLE_DEVICES",
        instance_type="a100:2",
        allocation_mode="reserved",
        reservation_id=held.reservation_id,
    )
    print(flow.run(config).wait().logs().strip())
    flow.cancel_reservation(held.reservation_id)
