"""Scripts with Slurm's commands on the login node of a real cluster, over SSH and on this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User

from flow_core.errors import ConfigError, ProviderError, Unreachable
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("slurm", "sshd")


@pytest.fixture
async def pool() -> AsyncIterator[HostPool]:
    pool = HostPool()
    yield pool
    await pool.close()


def make_remote_settings(cluster: SlurmCluster, user: User, **more: str) -> SlurmSettings:
    config = cluster.login.config(name="lab", user=user.name)
    return SlurmSettings(LoginHost("lab", ssh_config=config), **more)


@pytest.fixture
def remote(cluster: SlurmCluster, user: User, pool: HostPool) -> LoginNode:
    return LoginNode(make_remote_settings(cluster, user), pool)


@pytest.fixture
async def local(cluster: SlurmCluster, pool: HostPool) -> AsyncIterator[LoginNode]:
    node = LoginNode(SlurmSettings(slurm_conf=str(cluster.plan.conf)), pool)
    yield node
    await node.close()


def write_start_up_file(user: User, name: str, text: str) -> None:
    path = user.home / name
    path.write_text(text)
    os.chown(path, user.uid, user.uid)


def make_programs(user: User, folder: str, *names: str) -> Path:
    """Makes a folder in the user's home with links to programs of this machine, and returns its path."""
    path = user.home / folder
    path.mkdir(parents=True)
    for name in names:
        (path / name).symlink_to(f"/usr/bin/{name}")
    return path


async def test_a_script_reads_its_input_and_prints(remote: LoginNode, local: LoginNode) -> None:
    for node in (remote, local):
        assert await node.query("command squeue --noheader; cat", stdin=b"x\0y") == b"x\0y"
        assert b"node3" in await node.query("command sinfo -h -N -o %N")
    assert (remote.title, local.title) == ("login node 'lab'", "this machine")


async def test_many_questions_share_one_connection(remote: LoginNode) -> None:
    answers = await asyncio.gather(*(remote.query(f"echo {number}") for number in range(8)))
    assert answers == [b"%d\n" % number for number in range(8)]
    host = await remote.get_host()
    assert isinstance(host, SshHost)
    assert host.connection_count == 1


async def test_start_up_files_do_not_change_what_is_read(cluster: SlurmCluster, user: User, remote: LoginNode) -> None:
    wrappers = user.home / "bin"
    wrappers.mkdir()
    (wrappers / "squeue").write_text("#!/bin/sh\necho wrapper; exit 9\n")
    (wrappers / "squeue").chmod(0o755)
    write_start_up_file(
        user,
        ".bashrc",
        "echo welcome; echo careful >&2\n"
        "squeue() { echo function; }; export -f squeue; alias sinfo='echo alias'\n"
        "export LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo SLURM_TIME_FORMAT=relative SQUEUE_FORMAT=%i SQUEUE_FORMAT2=jobid\n"
        "export SINFO_FORMAT=%D SACCT_FEDERATION=1 SCONTROL_ALL=1 PATH=$HOME/bin:$PATH\n",
    )
    job = cluster.run("sbatch", "--parsable", "--hold", "--job-name=mine", "--wrap=true", user=user)
    script = "command squeue; echo $LC_ALL $TZ; env | grep -E '^(SQUEUE|SINFO|SACCT|SCONTROL|SLURM_TIME)' | wc -l"
    header, row, environment, variables = (await remote.query(script)).decode().splitlines()
    assert "NODELIST(REASON)" in header
    assert row.split()[0] == job
    assert (environment, variables) == ("C UTC0", "0")


async def test_a_change_gets_the_environment_of_the_user(user: User, remote: LoginNode) -> None:
    write_start_up_file(
        user, ".bashrc", "export LC_ALL=C.UTF-8 TZ=Asia/Tokyo PATH=$HOME/bin:$PATH SLURM_TIME_FORMAT=x\n"
    )
    result = await remote.run("echo $LC_ALL $TZ $SLURM_TIME_FORMAT; echo $PATH; command sbatch --parsable --wrap=true")
    environment, path, job = result.stdout.decode().splitlines()
    assert environment == "C.UTF-8 Asia/Tokyo x"
    assert path.startswith(f"{user.home}/bin:")
    assert job.isdecimal()


async def test_a_change_outside_of_a_job_does_not_inherit_the_size_of_that_job(
    cluster: SlurmCluster, local: LoginNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "100", "SLURM_CLUSTERS": "x"}.items():
        monkeypatch.setenv(name, value)
    result = await local.run("env | grep ^SLURM_ | sort")
    assert result.stdout.decode().splitlines() == ["SLURM_CLUSTERS=x", f"SLURM_CONF={cluster.plan.conf}"]


async def test_every_exit_code_of_a_change_is_a_result(remote: LoginNode, local: LoginNode) -> None:
    for node in (remote, local):
        result = await node.run("command sbatch --partition=none --wrap=true")
        assert result.exit_code == 1
        assert b"invalid partition" in result.stderr


async def test_a_failed_question_has_the_reason_of_slurm(remote: LoginNode, local: LoginNode) -> None:
    for node in (remote, local):
        with pytest.raises(ProviderError, match="cluster 'elsewhere'"):
            await node.query("command squeue -M elsewhere")
        with pytest.raises(ProviderError, match="keeps no accounting"):
            await node.query("command sacct")
        with pytest.raises(ProviderError, match=f"{node.title} failed: Partition x not found"):
            await node.query("command scontrol show partition x")


async def test_a_controller_that_is_down_is_unreachable(
    cluster: SlurmCluster, remote: LoginNode, local: LoginNode
) -> None:
    cluster.stop_controller()
    for node in (remote, local):
        with pytest.raises(Unreachable, match=f"slurmctld of {node.title} does not answer"):
            await node.query("command squeue")


async def test_a_controller_that_does_not_answer_is_unreachable_after_the_deadline(
    cluster: SlurmCluster, remote: LoginNode, local: LoginNode
) -> None:
    cluster.pause_controller()
    for node in (remote, local):
        with pytest.raises(Unreachable, match=f"slurmctld of {node.title} did not answer within 0.5 s"):
            await node.query("command squeue", timeout_s=0.5)


async def test_a_login_node_that_is_down_is_not_mistaken_for_the_controller(pool: HostPool, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host gone\n  HostName 127.0.0.1\n  Port 1\n")
    node = LoginNode(SlurmSettings(LoginHost("gone", ssh_config=config)), pool)
    with pytest.raises(Unreachable, match="'gone'") as refused:
        await node.query("command squeue")
    assert "slurmctld" not in str(refused.value)


async def test_commands_that_only_a_login_shell_finds_are_used(user: User, remote: LoginNode) -> None:
    tools = make_programs(user, "tools", "env", "sed")
    slurm = make_programs(user, "slurm bin", "squeue", "sbatch", "scontrol")
    conf = user.home / "login.conf"
    conf.symlink_to(os.environ.get("SLURM_CONF", "/dev/null"))
    write_start_up_file(user, ".bashrc", f"PATH={tools}\n")
    write_start_up_file(user, ".bash_profile", f"echo welcome; PATH='{slurm}:{tools}'; export SLURM_CONF={conf}\n")
    assert (await remote.query("command -v squeue; echo $SLURM_CONF")).decode().splitlines() == [
        f"{slurm}/squeue",
        str(conf),
    ]


async def test_a_login_shell_that_waits_for_input_delays_no_more_than_the_lookup(user: User, remote: LoginNode) -> None:
    tools = make_programs(user, "tools", "env", "sed")
    write_start_up_file(user, ".bashrc", f"PATH={tools}\n")
    write_start_up_file(user, ".bash_profile", "exec sleep 1000\n")
    assert await remote.query("command -v squeue", timeout_s=60) == b"/usr/bin/squeue\n"


async def test_the_setting_names_the_folder_of_the_commands(cluster: SlurmCluster, user: User, pool: HostPool) -> None:
    slurm = make_programs(user, "slurm", "squeue", "sbatch", "scontrol")
    node = LoginNode(make_remote_settings(cluster, user, bin_dir="~/slurm"), pool)
    assert await node.query("command -v squeue") == os.fsencode(slurm / "squeue") + b"\n"
    assert (await node.run("echo $PATH")).stdout.endswith(os.fsencode(slurm) + b"\n")
    node = LoginNode(make_remote_settings(cluster, user, bin_dir="/no/such"), pool)
    with pytest.raises(ConfigError, match="login node 'lab' has no squeue, sbatch and scontrol in /no/such") as refused:
        await node.query(":")
    assert refused.value.field == "bin_dir"


async def test_a_login_node_without_slurm_says_what_to_set(cluster: SlurmCluster, remote: LoginNode) -> None:
    cluster.space.run("mount", "--bind", "/dev/null", "/usr/bin/squeue")
    try:
        for _ in range(2):  # the second one does not search again
            with pytest.raises(ProviderError, match=r"has no Slurm commands .* set bin_dir"):
                await remote.query("command squeue")
    finally:
        cluster.space.run("umount", "/usr/bin/squeue")


async def test_a_missing_configuration_is_refused_at_once(pool: HostPool, tmp_path: Path) -> None:
    node = LoginNode(SlurmSettings(slurm_conf=str(tmp_path / "it's gone")), pool)
    with pytest.raises(ProviderError, match="set slurm_conf"):
        await node.query("command squeue", timeout_s=20)


async def test_two_clusters_are_used_beside_each_other(local: LoginNode, pool: HostPool) -> None:
    other = SlurmCluster(nodes=1, name="other")
    other.start()
    node = LoginNode(SlurmSettings(slurm_conf=str(other.plan.conf)), pool)
    try:
        script = "command scontrol show config | sed -n 's/^ClusterName *= //p'"
        answers = await asyncio.gather(*(each.query(script) for each in (local, node) * 3))
        assert answers == [b"flow\n", b"other\n"] * 3
    finally:
        await node.close()
        other.stop()
