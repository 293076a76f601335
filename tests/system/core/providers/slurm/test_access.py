"""Commands, shells, tunnels and metrics on the nodes of running jobs of a real cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from testbed.fake_smi import FakeSmi
from testbed.slurm_cluster import GPU_PARTITION, SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import LocalSlurmWorld, SlurmWorld
from testbed.tables import each
from testbed.waiting import DEADLINE_S, until
from testbed.worlds import Bench

from flow_core.config import Context
from flow_core.errors import AuthError, ConfigError, Conflict, Unreachable
from flow_core.models.completed_command import CompletedCommand
from flow_core.models.task import TaskRecord, TaskStatus

pytestmark = pytest.mark.needs("slurm", "sshd")

TWO_NODES: dict[str, Any] = {"num_instances": 2, "instance_type": "a100:2", "region": GPU_PARTITION}
SHOW_PLACE = 'echo "$SLURMD_NODENAME $FLOW_NODE_RANK/$FLOW_NUM_NODES $CUDA_VISIBLE_DEVICES $TOKEN"; pwd'


def world_of(bench: Bench) -> SlurmWorld:
    assert isinstance(bench.world, SlurmWorld)
    return bench.world


async def run(bench: Bench, task: TaskRecord, command: str, **more: Any) -> CompletedCommand:
    assert bench.provider.remote is not None
    return await bench.provider.remote.run(task.task_id, command, **more)


async def submit_by_hand(bench: Bench, *options: str, script: str = "sleep 600") -> TaskRecord:
    """Submits a job as its user would on the login node, and returns it once it runs."""
    world = world_of(bench)
    argv = ("sbatch", "--parsable", f"--chdir={world.folder}", *options)
    job_id = world.cluster.run(*argv, user=world.user, stdin=f"#!/bin/sh\n{script}\n")
    task = await until(lambda: _find(bench, job_id))
    return await bench.until(task, lambda now: now.is_running)


async def _find(bench: Bench, job_id: str) -> TaskRecord | None:
    return next((task for task in await bench.provider.list_tasks() if task.task_id == job_id), None)


def list_steps(cluster: SlurmCluster, user: User) -> list[str]:
    """Returns the steps of the user's jobs, without those that Slurm starts itself."""
    steps = cluster.run("squeue", "--noheader", "--steps", f"--user={user.name}", "--format=%i").split()
    return [step for step in steps if step.rpartition(".")[2].isdecimal()]


async def test_a_command_runs_on_its_node_with_the_variables_and_the_gpus_of_the_task(plain: Bench) -> None:
    task = await plain.running("sleep 600", env={"TOKEN": "a b'c"}, **TWO_NODES)
    first, second = task.instances
    for node, name in enumerate((first, second)):
        done = await run(plain, task, SHOW_PLACE, node=node)
        place, folder = done.stdout.decode().splitlines()
        assert (place, folder) == (f"{name} {node}/2 0,1 a b'c", str(plain.world.folder))
    with pytest.raises(ConfigError, match="nodes 0 to 1") as refused:
        await run(plain, task, "true", node=2)
    assert refused.value.field == "node"


@each("command, code", [("exit 3", 3), ("kill -9 $$", 137), ("no-such-command-here", 127), ("exit 215", 215)])
async def test_exit_codes_and_output_are_those_of_the_command_alone(plain: Bench, command: str, code: int) -> None:
    task = await plain.running()
    done = await run(plain, task, f"cat; printf 'e\\0' >&2; {command} 2>/dev/null", stdin=b"\0\377\n" * 100_000)
    assert (done.exit_code, done.stdout) == (code, b"\0\377\n" * 100_000)
    assert done.stderr.startswith(b"e\0")
    assert b"srun: " not in done.stderr
    await plain.provider.cancel_task(task.task_id)
    await plain.ended(task)


async def test_a_command_that_takes_too_long_ends_on_its_node_too(plain: Bench) -> None:
    world = world_of(plain)
    task = await plain.running()
    before = list_steps(world.cluster, world.user)
    with pytest.raises(Unreachable):
        await run(plain, task, "echo begun >begun; exec sleep 4321", timeout_s=3)
    assert (world.folder / "begun").exists()
    await until(lambda: "sleep 4321" not in world.cluster.run("ps", "-ef"))
    await until(lambda: list_steps(world.cluster, world.user) == before)


async def test_a_shell_leaves_nothing_behind_when_it_is_closed(plain: Bench) -> None:
    world = world_of(plain)
    task = await plain.running(**TWO_NODES)
    before = await until(lambda: list_steps(world.cluster, world.user))  # the step of its ranks
    assert plain.provider.shells is not None
    shell = await plain.provider.shells.open(task.task_id, columns=80, rows=24, node=1)
    assert task.name in shell.title
    await shell.write(b"echo $SLURMD_NODENAME-$((40+2)); sleep 4322\n")
    read = b""
    async with asyncio.timeout(DEADLINE_S), aclosing(shell.read()) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            read += piece
            if f"{task.instances[1]}-42".encode() in read:
                break
    await until(lambda: "sleep 4322" in world.cluster.run("ps", "-ef"))
    await shell.close()
    await until(lambda: "sleep 4322" not in world.cluster.run("ps", "-ef"))
    await until(lambda: list_steps(world.cluster, world.user) == before)


async def test_a_shell_ends_with_its_job(plain: Bench) -> None:
    task = await plain.running()
    assert plain.provider.shells is not None
    shell = await plain.provider.shells.open(task.task_id, columns=80, rows=24)
    await plain.provider.cancel_task(task.task_id)
    async with asyncio.timeout(DEADLINE_S):
        async for _ in shell.read():
            pass
        await shell.wait()
    await shell.close()


@each(
    "options, gpus",
    [
        (("--gpus=3", "--nodes=1"), "0,1,2"),
        (("--nodes=1", "--ntasks=2", "--gpus-per-task=1"), "0,1"),
        (("--nodes=2", "--gpus-per-node=2"), "0,1"),
        (("--gres=gpu:a100:1",), "0"),
        ((), ""),
    ],
)
async def test_jobs_of_other_programs_can_be_entered_with_their_folder_and_gpus(
    plain: Bench, options: tuple[str, ...], gpus: str
) -> None:
    task = await submit_by_hand(plain, *options)
    done = await run(plain, task, SHOW_PLACE)
    assert done.stdout.decode().splitlines() == [f"{task.instances[0]} / {gpus} ", str(plain.world.folder)]
    await plain.provider.cancel_task(task.task_id)
    await plain.ended(task)


async def test_the_node_of_an_array_is_the_index_of_its_element(plain: Bench) -> None:
    command = 'echo "$SLURM_ARRAY_TASK_ID"; [ "$SLURM_ARRAY_TASK_ID" = 3 ] || sleep 600'
    task = await plain.submit(command, array="3,5,7", region=GPU_PARTITION)
    await plain.until(
        task, lambda now: [one.status for one in now.elements] == [TaskStatus.COMPLETED, *[TaskStatus.RUNNING] * 2]
    )
    show = "echo $FLOW_ARRAY_INDEX; squeue --noheader --steps --format='%i %j' | grep flow-"
    for node, index in ((7, 7), (5, 5), (0, 5)):
        number, step = (await run(plain, task, show, node=node)).stdout.decode().splitlines()
        assert (number, step.partition(".")[0]) == (str(index), f"{task.task_id}_{index}")
    with pytest.raises(Conflict, match=r"element 3 of array \d+ does not run; these run: 5, 7"):
        await run(plain, task, "true", node=3)
    with pytest.raises(ConfigError, match="no element 4"):
        await run(plain, task, "true", node=4)


async def test_a_job_that_does_not_run_is_not_entered(plain: Bench) -> None:
    waiting = await plain.submit(provider_options={"slurm": {"hold": True}})
    with pytest.raises(Conflict, match="is pending; only a running one"):
        await run(plain, waiting, "true")


async def test_files_of_a_task_can_be_copied_also_after_its_end(plain: Bench, tmp_path: Path) -> None:
    task = await plain.ended(await plain.submit("echo content >made", working_dir=None))
    uploads = plain.provider.uploads
    assert uploads is not None
    await uploads.get_file(task.task_id, "made", tmp_path / "got")
    assert (tmp_path / "got").read_text() == "content\n"
    await uploads.put_file(task.task_id, tmp_path / "got", "/workspace/put")
    await uploads.get_file(task.task_id, "put", tmp_path / "again")
    assert (tmp_path / "again").read_text() == "content\n"


async def test_only_the_owner_enters_a_job(plain: Bench) -> None:
    world = world_of(plain)
    other = world.cluster.add_user()
    world.cluster.run("sbatch", "--parsable", "--wrap=sleep 600", "--job-name=theirs", user=other)
    assert plain.provider.scheduling is not None
    await plain.provider.scheduling.watch_everyone(True)
    listed = await until(lambda: _find_named(plain, "theirs"))
    task = await plain.until(listed, lambda now: now.is_running)
    with pytest.raises(AuthError, match=f"belongs to {other.name}"):
        await run(plain, task, "true")
    world.cluster.remove_user(other)


async def _find_named(bench: Bench, name: str) -> TaskRecord | None:
    return next((task for task in await bench.provider.list_tasks() if task.name == name), None)


async def test_the_command_for_the_users_own_ssh_enters_the_node(plain: Bench) -> None:
    task = await plain.running(**TWO_NODES)
    assert plain.provider.endpoints is not None
    command = await plain.provider.endpoints.command(task.task_id)
    assert command.isprintable()
    process = await asyncio.create_subprocess_shell(
        command.replace("ssh -t", "ssh -tt", 1), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate(b"echo here-$SLURMD_NODENAME; exit 4\n")
    assert f"here-{task.instances[0]}" in output.decode()
    assert process.returncode == 4


async def test_a_tunnel_leads_to_a_port_of_the_node(plain: Bench) -> None:
    serve = "import socket as s; s = s.create_server(('', 0)); print(s.getsockname()[1]); s.accept()[0].send(b'hi')"
    task = await plain.running(f'python3 -c "{serve}"')
    assert plain.provider.tunnels is not None
    log = Path(task.provider_metadata["folder"]) / "attempt-0" / "rank-0.log"
    port = await until(lambda: log.exists() and log.read_text().strip())
    tunnel = await plain.provider.tunnels.open(task.task_id, int(port))
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.local_port)
        assert await reader.read() == b"hi"
    writer.close()
    await plain.provider.tunnels.close(tunnel.tunnel_id)


async def test_metrics_show_the_gpus_of_the_job_and_leave_no_step_behind(plain: Bench) -> None:
    world = world_of(plain)
    install_fake_smi(world)
    await plain.running(instance_type="a100:2")
    task = await plain.running(instance_type="a100:2")
    before = list_steps(world.cluster, world.user)
    assert plain.provider.metrics is not None
    async with (
        asyncio.timeout(DEADLINE_S),
        aclosing(plain.provider.metrics.of_task(task.task_id)) as one,
        aclosing(plain.provider.metrics.of_task(task.task_id)) as two,
    ):
        for samples in (one, two):
            sample = await anext(samples)
            assert [gpu.index for gpu in sample.gpus] == [2, 3]
            assert sample.load is not None
        assert len(list_steps(world.cluster, world.user)) == len(before) + 1
    await until(lambda: list_steps(world.cluster, world.user) == before)
    await until(lambda: "nvidia-smi" not in world.cluster.run("ps", "-ef"))


def install_fake_smi(world: SlurmWorld) -> None:
    """The steps of the user find an nvidia-smi with eight GPUs."""
    smi = FakeSmi(world.cluster.make_folder(world.user, "smi"))
    smi.set_output("h200-8.csv", "h200-8-apps.csv")
    profile = world.user.home / ".bashrc"
    profile.write_text(f"export PATH={smi.bin}:$PATH\n")
    for path in (profile, *smi.bin.rglob("*"), smi.bin):
        os.chown(path, world.user.uid, world.user.uid)


async def test_the_commands_of_this_machine_work_inside_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LocalSlurmWorld(tmp_path)
    bench = Bench(world)
    for name, value in {"JOB_ID": "99", "NTASKS": "7", "MEM_PER_NODE": "9", "MEM_PER_CPU": "1", "GPUS": "99"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    task = await bench.running(instance_type="a100:2")
    assert bench.provider.endpoints is None
    assert (await run(bench, task, "echo $SLURM_JOB_ID $SLURM_NTASKS")).stdout.decode() == f"{task.task_id} 1\n"
    assert bench.provider.shells is not None
    shell = await bench.provider.shells.open(task.task_id, columns=80, rows=24, command="echo $CUDA_VISIBLE_DEVICES")
    assert b"".join([piece async for piece in shell.read()]).strip() == b"0,1"
    await shell.close()
    await bench.provider.close()
    await world.close()


@pytest.fixture
def by_ssh(plain: Bench) -> Bench:
    """The same user, who enters nodes through ssh: the login node can reach each node under its name."""
    world = world_of(plain)
    folder, login = world.cluster.make_folder(world.user, ".ssh"), world.cluster.login
    shutil.copy(login.key, folder / "id")
    shutil.copy(login.known_hosts, folder / "known_hosts")
    config = f"Host node*\nHostName 127.0.0.1\nPort {login.port}\nIdentityFile {folder}/id\n"
    (folder / "config").write_text(config)
    for path in folder.iterdir():
        os.chown(path, world.user.uid, world.user.uid)
        path.chmod(0o600)
    world.context = Context("slurm", "slurm", {**world.context.settings, "attach": "ssh"})
    return Bench(world)


async def test_a_site_may_let_its_users_in_through_ssh(by_ssh: Bench) -> None:
    world = world_of(by_ssh)
    task = await by_ssh.running(env={"TOKEN": "secret word"}, **TWO_NODES)
    done = await run(
        by_ssh, task, 'echo "$TOKEN $FLOW_NODE_RANK $SSH_CONNECTION"; pwd; cat; exit 3', node=1, stdin=b"\0"
    )
    words, folder, rest = done.stdout.split(b"\n", 2)
    assert (done.exit_code, rest, folder.decode()) == (3, b"\0", str(world.folder))
    assert words.startswith(b"secret word 1 127.0.0.1 ")
    with pytest.raises(Unreachable):
        await run(by_ssh, task, "echo begun >begun; exec sleep 4323", timeout_s=3)
    assert (world.folder / "begun").exists()
    await until(lambda: "sleep 4323" not in world.cluster.run("ps", "-ef"))
    assert by_ssh.provider.shells is not None
    shell = await by_ssh.provider.shells.open(task.task_id, columns=80, rows=24, command="tty && exit 5")
    assert b"/dev/pts" in b"".join([piece async for piece in shell.read()])
    assert await shell.wait() == 5
    await shell.close()
    await by_ssh.provider.close()
