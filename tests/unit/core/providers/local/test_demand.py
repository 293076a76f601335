"""Who counts as waiting for a GPU when somebody wants to reserve it."""

from __future__ import annotations

from pathlib import Path

from testbed.specs import task_spec

from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.gpu_uses import collect_gpu_uses
from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import write_json
from flow_core.agent.spec import GpuPlan

GPUS = ("gpu-0", "gpu-1", "gpu-2")


def test_a_task_that_has_its_gpus_and_is_just_starting_wants_no_others(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "local")
    layout.make()
    task = layout.task("task_aaaaaaaaaa")
    make_private_folder(task.path)
    with queue.queue_lock(tmp_path):
        place = queue.take_position(tmp_path)
        gpus = GpuPlan(per_rank=2, candidates=GPUS)
        spec = task_spec(**place._asdict(), gpus=gpus, submitter=ProcessIdentity.current())
        spec.write(task.spec)
        queue.enqueue(task, spec)
        assert [use.holder for use in collect_gpu_uses(tmp_path, GPUS, (), 0.0)] == [
            f"requested by {task.task_id}, which waits"
        ] * 3
        write_json(task.state, {"status": "pending", "supervisor": ProcessIdentity.current()._asdict()})
        locks = leases.take_gpus(task, GPUS, 2)
        assert locks is not None
        try:
            holders = [use.holder for use in collect_gpu_uses(tmp_path, GPUS, (), 0.0)]
        finally:
            locks.release()
    assert holders == [f"held by {task.task_id}"] * 2
