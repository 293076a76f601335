"""Tasks that a real cluster refuses, or that a fault interrupts: one sentence, and nothing is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from testbed.slurm_submits import Submitter
from testbed.tables import each
from testbed.waiting import until

from flow_core.errors import CapacityError, ConfigError, FlowError, NotFound, ProviderError, Unreachable, Unsupported

pytestmark = pytest.mark.needs("slurm", "sshd")


def slurm(**options: Any) -> dict[str, Any]:
    return {"provider_options": {"slurm": options}}


REFUSED: tuple[tuple[dict[str, Any], type[FlowError], str, str], ...] = (
    ({"instance_type": "9xa100"}, CapacityError, "instance_type", "9xa100 can't be had"),
    ({"instance_type": "h100"}, CapacityError, "instance_type", "1xh100 can't be had"),
    ({"instance_type": ["h100", "8xa100"]}, CapacityError, "instance_type", "can't be had"),
    ({"instance_type": "it_abc"}, ConfigError, "instance_type", "no instance types by id"),
    ({"min_gpu_memory_gb": 640}, CapacityError, "min_gpu_memory_gb", "a GPU with 640 GB can't be had"),
    ({"min_cpus": 999}, CapacityError, "min_cpus", "999 CPUs on one node"),
    ({"min_memory_gb": 99999}, CapacityError, "min_memory_gb", "99999 GB of memory"),
    ({"num_instances": 4}, CapacityError, "num_instances", "4 such nodes"),
    ({"num_instances": 2, "region": "debug"}, CapacityError, "num_instances", "in partition debug"),
    ({"region": "mars"}, ConfigError, "region", "has no partition 'mars'"),
    ({"region": "debug", "max_run_time_hours": 2}, ConfigError, "max_run_time_hours", "at most 0.5 hours"),
    ({"image": "python:3.12"}, Unsupported, "image", "none of apptainer, pyxis, enroot"),
    ({"array": "5-x"}, ConfigError, "array", "no list of indexes"),
    ({"array": "0-99999999"}, ConfigError, "array", "highest index"),
    ({"after": ["999999"]}, NotFound, "after", "Slurm knows no task 999999"),
    ({"after": ["1; rm -r /"]}, ConfigError, "after", "is no task of this cluster"),
    ({"reservation_id": "gone"}, NotFound, "reservation_id", "there is no reservation 'gone'"),
    ({"working_dir": "/nowhere"}, ConfigError, "working_dir", "has no folder '/nowhere'"),
    ({"working_dir": "nowhere"}, ConfigError, "working_dir", "has no folder 'nowhere'"),
    ({"working_dir": "~nobody/x"}, ConfigError, "working_dir", "has no folder"),
    (
        {"data_mounts": [{"source": "/nowhere", "target": "/nowhere"}]},
        ConfigError,
        "data_mounts",
        "has no /nowhere",
    ),
    (slurm(constraint="gone"), ConfigError, "provider_options", "constraint 'gone'"),
    (slurm(constraint="[[["), ConfigError, "provider_options", "constraint '[[['"),
    (slurm(gres="gpu:9"), CapacityError, "provider_options", "no node there has everything"),
    (slurm(gres="gone:1"), FlowError, "provider_options", ""),
    (slurm(gpus_per_node=9), CapacityError, "provider_options", "no node there has everything"),
    (slurm(nodelist="gone"), ConfigError, "provider_options", "no such node"),
    (slurm(licenses="gone"), ConfigError, "provider_options", "no license 'gone'"),
    (slurm(mem="1000T"), CapacityError, "provider_options", "no node there has everything"),
    (slurm(mail_type="gone"), ConfigError, "provider_options", "Invalid --mail-type"),
    (slurm(nice=-5), ConfigError, "provider_options", "only lower the priority"),
    (slurm(wrap="true"), Unsupported, "provider_options", "use the field command"),
    (slurm(uid=0), ConfigError, "provider_options", "is not allowed"),
    (slurm(gone=1), ConfigError, "provider_options", "is not an option of sbatch"),
    ({"command": "#!/bin/sh\n#SBATCH --gres=gpu:9\n"}, CapacityError, "command", "no node there has everything"),
    ({"command": "#SBATCH --nodes=1\ntrue"}, ConfigError, "command", "name its interpreter"),
    ({"command": "#!/bin/sh\r\n#SBATCH --nodes=1\r\ntrue"}, ConfigError, "command", "dos2unix"),
    ({"command": "#!/bin/sh\n#SBATCH --time=never\ntrue"}, ConfigError, "command", ""),
)


@each(("fields", "kind", "field", "part"), REFUSED)
async def test_a_refused_task_names_its_field_and_leaves_nothing(
    submitter: Submitter, fields: dict[str, Any], kind: type[FlowError], field: str, part: str
) -> None:
    await submitter.site.read()
    before = submitter.list_traces()
    command = fields.get("command", "true")
    with pytest.raises(kind) as refused:
        await submitter.submit(command, **{name: value for name, value in fields.items() if name != "command"})
    assert refused.value.field == field, refused.value
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert {trace for trace in submitter.list_traces() - before if not trace.endswith(FOLDERS)} == set()


FOLDERS = ("/runs", "/jobs", "/unfinished")
"""What the first submission creates."""


async def test_a_full_disk_refuses_a_task_and_keeps_nothing(submitter: Submitter) -> None:
    cluster, user = submitter.cluster, submitter.user
    folder = cluster.make_folder(user, "small")
    options = f"size=64k,uid={user.uid},mode=700"
    cluster.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        submitter.change(folder="~/small/flow")
        with pytest.raises(ProviderError, match="its disk is full; make room there"):
            await submitter.submit("true", env={"BIG": "x" * 100_000})
        left = cluster.run("find", str(folder), "-type", "f")
        assert left == ""
        task = await submitter.submit("true")
        assert task.job_id
    finally:
        cluster.run("umount", "--lazy", str(folder))


async def test_a_folder_that_is_not_writable_is_named(submitter: Submitter) -> None:
    submitter.change(folder="/proc/flow")
    with pytest.raises(ProviderError, match=r"^flow's folder /proc/flow on login node 'lab' can't take the task"):
        await submitter.submit("true")
    submitter.write("file", "")
    submitter.change(folder="~/file")
    with pytest.raises(ProviderError, match="a file has the name of a folder there"):
        await submitter.submit("true")


async def test_without_slurmctld_a_task_is_refused_and_leaves_nothing(submitter: Submitter) -> None:
    await submitter.site.read()
    submitter.cluster.stop_controller()
    with pytest.raises(Unreachable, match=r"^slurmctld of login node 'lab' does not answer"):
        await submitter.submit("true", env={"A": "x"})
    folder = submitter.user.home / ".local" / "state" / "flow" / "slurm"
    assert list((folder / "runs").iterdir()) == list((folder / "unfinished").iterdir()) == []


async def test_a_submission_that_is_cancelled_leaves_nothing(submitter: Submitter) -> None:
    await submitter.site.read()
    submitter.cluster.pause_controller()
    folder = submitter.user.home / ".local" / "state" / "flow" / "slurm"
    submitting = asyncio.create_task(submitter.submit("true", env={"A": "x"}))
    await until(lambda: list(folder.glob("runs/*/sbatch.err")))
    submitting.cancel()
    asyncio.get_running_loop().call_later(1, submitter.cluster.resume_controller)
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert list((folder / "runs").iterdir()) == list((folder / "unfinished").iterdir()) == []
    await until(lambda: submitter.cluster.list_jobs(submitter.user) == [])


async def test_an_interrupted_upload_leaves_nothing(submitter: Submitter, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(8 << 20))
    folder = submitter.user.home / ".local" / "state" / "flow" / "slurm"
    fields: dict[str, Any] = {"upload_code": True, "code_root": str(tmp_path)}
    submitting = asyncio.create_task(submitter.submit("true", **fields))
    await until(lambda: list(folder.glob("runs/*/code/*")))
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert list((folder / "runs").iterdir()) == list((folder / "unfinished").iterdir()) == []
    assert submitter.cluster.list_jobs(submitter.user) == []
