"""Images on a real cluster, with stand-ins for the tools that run them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from testbed.container_doubles import APPTAINER, ENROOT, SRUN_WITH_PYXIS
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_submits import Submitted, Submitter

from flow_core.errors import Unsupported
from flow_core.providers.over_ssh.host_pool import HostPool

pytestmark = pytest.mark.needs("slurm", "sshd", "bash")
TOOLS: Mapping[str, Mapping[str, str]] = {
    "apptainer": {"apptainer": APPTAINER},
    "singularity": {"singularity": APPTAINER},
    "enroot": {"enroot": ENROOT},
    "pyxis": {"srun": SRUN_WITH_PYXIS},
}


@pytest.fixture
async def submitter(cluster: SlurmCluster, user: User) -> AsyncIterator[Submitter]:
    pool = HostPool()
    submitter = Submitter(cluster, user, pool)
    submitter.write(".bashrc", "export PATH=$HOME/bin:$PATH\n")
    yield submitter
    await pool.close()


def install(submitter: Submitter, tool: str) -> None:
    for name, text in TOOLS[tool].items():
        submitter.write(f"bin/{name}", text, mode=0o755)


def read_calls(submitter: Submitter) -> list[list[str]]:
    calls = (submitter.user.home / "calls").read_text().split("\n\n")
    return [call.splitlines() for call in calls if call.strip()]


async def run_in_image(submitter: Submitter, tmp_path: Path, ranks: int) -> Submitted:
    (tmp_path / "file").write_text("code\n")
    command = 'cat file; echo "$A|$NUM_NODES|$NODE_RANK"; [ -z "$RANK" ] || echo "rank $RANK of $WORLD_SIZE"'
    command += "; exit 3" if ranks == 1 else ""  # the rank that fails first ends the others
    options: dict[str, Any] = {"code_root": str(tmp_path), "upload_code": True, "env": {"A": "it's\n$HOME"}}
    options |= {"num_instances": ranks, "instance_type": "a100"}
    return await submitter.run(command, image="nvcr.io/nvidia/pytorch:24.05-py3", **options)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("ranks", [1, 2])
async def test_a_command_runs_in_an_image_with_its_code_and_variables(
    submitter: Submitter, tmp_path: Path, tool: str, ranks: int
) -> None:
    install(submitter, tool)
    task = await run_in_image(submitter, tmp_path, ranks)
    for rank in range(ranks):
        expected = f"code\nit's\n$HOME|{ranks}|{rank}\n" + (f"rank {rank} of {ranks}\n" if ranks > 1 else "")
        assert task.read_log(rank=rank) == expected, submitter.show(task)
    assert task.read_status() == [["start", "0"], ["end", "0", "3" if ranks == 1 else "0", "0"]]
    assert not [path for path in task.folder.iterdir() if path.name.startswith(("script-", "enter-", "env."))]
    words = [word for call in read_calls(submitter) for word in call]
    assert not [word for word in words if "$HOME" in word]
    if tool in ("apptainer", "singularity"):
        assert {"--nv", "--pwd", "/workspace", "docker://nvcr.io/nvidia/pytorch:24.05-py3"} <= set(words)
        assert f"{task.folder}/code:/workspace" in words
    elif tool == "enroot":
        assert "docker://nvcr.io#nvidia/pytorch:24.05-py3" in words
        assert f"{task.folder}/code:/workspace:none:x-create=auto,rbind" in words
    else:
        assert {"--container-image=nvcr.io#nvidia/pytorch:24.05-py3", "--container-workdir=/workspace"} <= set(words)
        assert f"--container-mounts={task.folder}:{task.folder},{task.folder}/code:/workspace" in words


@pytest.mark.parametrize("tool", ["apptainer", "enroot", "pyxis"])
async def test_shared_paths_are_mounted_read_only_unless_the_task_says_otherwise(
    submitter: Submitter, tool: str
) -> None:
    install(submitter, tool)
    data = submitter.cluster.make_folder(submitter.user, "data")
    mounts = [
        {"source": "~/data", "target": "/in"},
        {"source": str(data), "target": "/out", "options": {"read_only": False}},
        {"source": str(data), "target": "/workspace"},
    ]
    task = await submitter.run("pwd", image="busybox", data_mounts=mounts)
    words = " ".join(word for call in read_calls(submitter) for word in call)
    read_only = {"apptainer": ":/in:ro", "enroot": ":/in:none:x-create=auto,rbind,ro", "pyxis": ":/in:ro"}[tool]
    assert f"{data}{read_only}" in words
    assert f"{data}:/out:ro" not in words
    assert f"{data}:/out" in words
    assert f"{task.folder}/code:" not in words
    assert "busybox" in words


async def test_the_context_chooses_the_tool(submitter: Submitter) -> None:
    install(submitter, "apptainer")
    install(submitter, "enroot")
    submitter.change(container="enroot")
    await submitter.run("true", image="busybox")
    assert {call[0] for call in read_calls(submitter)} == {"enroot"}
    submitter.change(container="none")
    with pytest.raises(Unsupported, match="this context runs no images"):
        await submitter.submit("true", image="busybox")
    submitter.change(container="pyxis")
    with pytest.raises(Unsupported, match="has no pyxis, so it can't run images"):
        await submitter.submit("true", image="busybox")


async def test_a_site_without_any_tool_refuses_images_and_keeps_nothing(submitter: Submitter) -> None:
    with pytest.raises(Unsupported, match="none of apptainer, pyxis, enroot") as refused:
        await submitter.submit("true", image="busybox", env={"A": "x"})
    assert refused.value.field == "image"
    root = submitter.user.home / ".local" / "state" / "flow" / "slurm"
    assert [path for path in root.rglob("*") if path.is_file()] == []


async def test_an_image_that_can_not_be_fetched_fails_the_task_with_the_reason_in_its_log(
    submitter: Submitter,
) -> None:
    submitter.write("bin/enroot", "#!/bin/sh\necho no such image >&2\nexit 4\n", mode=0o755)
    task = await submitter.run("true", image="gone", num_instances=2)
    assert task.read_log() == "no such image\n"
    assert task.read_status() == [["start", "0"], ["end", "0", "4", "0"]]


async def test_entering_a_task_with_an_image_enters_the_image(submitter: Submitter) -> None:
    install(submitter, "apptainer")
    task = await submitter.submit("until [ -e go ]; do sleep 0.1; done", image="busybox", env={"A": "x y"})
    entered = submitter.cluster.run(
        "sh", "-c", f". ~/.bashrc; exec sh {task.record.folder}/enter.sh sh -c 'pwd; echo $A'", user=submitter.user
    )
    assert entered == f"{task.folder}/code\nx y"
