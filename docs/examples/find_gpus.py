"""What could be had, and a task on the smallest that fits.

On a machine without GPUs try it with pretend ones: FLOW_LOCAL_GPUS=a100:4 python find_gpus.py
"""

from flow_core import Flow

with Flow() as flow:
    for instance in flow.find_instances({"min_gpu_count": 1}):
        print(f"{instance.instance_type:8} {instance.gpu_memory_gb} GB each, {instance.available_quantity} free")
    task = flow.submit("echo using GPU $CUDA_VISIBLE_DEVICES", gpu="gpu:40gb", wait=True)
    print(task.instance_type, task.logs().strip())
