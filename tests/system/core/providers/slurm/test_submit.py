"""Tasks on a real cluster: their files, variables, logs, ends and attempts."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from testbed.slurm_submits import Submitter
from testbed.waiting import until

from flow_core.agent.supervisor.rank_environment import RANK_VARIABLES
from flow_core.errors import CapacityError, ConfigError

pytestmark = pytest.mark.needs("slurm", "sshd")


def read_variables(log: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in log.splitlines() if "=" in line)


async def test_a_task_has_a_log_an_end_and_files_that_only_its_user_can_read(submitter: Submitter) -> None:
    task = await submitter.run("echo out; echo err >&2; pwd; exit 3", env={"A": "1"}, name="one", unique_name=False)
    assert task.read_log() == f"out\nerr\n{task.record.working_dir}\n"
    assert task.read_status() == [["start", "0"], ["end", "0", "3", "0"]]
    job = submitter.describe_job(task.job_id)
    assert (job["JobName"], job["JobState"], job["ExitCode"]) == ("one", "FAILED", "3:0")
    assert task.record.working_dir == f"{task.record.folder}/code"
    root = submitter.user.home / ".local" / "state" / "flow" / "slurm"
    assert (root / "jobs" / task.job_id).resolve() == task.folder.resolve()
    assert task.read("job") == f"{task.job_id}\n"
    assert not (task.folder / "env.sh").exists()
    for path in (root, *root.rglob("*")):
        found = path.lstat()
        assert found.st_uid == submitter.user.uid
        assert stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o077, path


async def test_a_command_that_a_signal_ends_has_its_number(submitter: Submitter) -> None:
    task = await submitter.run("kill -SEGV $$")
    assert task.read_status() == [["start", "0"], ["end", "0", "139", "11"]]


@pytest.mark.parametrize("ranks", [1, 2])
async def test_a_command_has_the_umask_of_the_user(submitter: Submitter, ranks: int) -> None:
    submitter.write(".bashrc", "umask 027\n")
    task = await submitter.run("umask", num_instances=ranks)
    assert task.read_log(rank=ranks - 1) == "0027\n"
    assert not [path for path in task.folder.rglob("*") if path.stat().st_mode & 0o077]
    script = await submitter.run("#!/bin/bash\n#SBATCH -t 5\numask\n")
    assert script.read(f"code/slurm-{script.job_id}.out") == "0027\n"


async def test_a_list_is_run_as_it_is(submitter: Submitter) -> None:
    task = await submitter.run(["printf", "%s|", "a b", "$HOME", "'", '"', "\n", "@RUN@"])
    assert task.read_log() == "a b|$HOME|'|\"|\n|@RUN@|"


async def test_the_ranks_have_logs_gpus_and_the_variables_of_torchrun(submitter: Submitter) -> None:
    task = await submitter.run("env", instance_type="2xa100", num_instances=2, ports=[8080, 8081], env={"A": "x"})
    ranks = [read_variables(task.read_log(rank=rank)) for rank in (0, 1)]
    for rank, found in enumerate(ranks):
        assert found["A"] == "x"
        assert found["PYTHONUNBUFFERED"] == "1"
        assert len(found["CUDA_VISIBLE_DEVICES"].split(",")) == int(found["GPU_COUNT"]) == 2
        assert RANK_VARIABLES - found.keys() == {"PORT"}
        for name in ("RANK", "NODE_RANK", "GROUP_RANK", "PET_NODE_RANK", "FLOW_NODE_RANK"):
            assert found[name] == str(rank)
        for name in ("WORLD_SIZE", "NUM_NODES", "PET_NNODES", "FLOW_NUM_NODES"):
            assert found[name] == "2"
        assert found["FLOW_PORTS"] == "8080,8081"
        assert found["FLOW_TASK_DIR"] == task.record.folder
    assert ranks[0]["MASTER_ADDR"] == ranks[1]["MASTER_ADDR"]
    assert ranks[0]["MASTER_PORT"] == ranks[1]["MASTER_PORT"]
    assert [found["SLURMD_NODENAME"] for found in ranks] == sorted({found["SLURMD_NODENAME"] for found in ranks})


async def test_one_rank_alone_waits_for_no_others(submitter: Submitter) -> None:
    found = read_variables((await submitter.run("env", ports=[8080])).read_log())
    assert not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "PET_NNODES"} & found.keys()
    assert (found["NUM_NODES"], found["GPU_COUNT"], found["PORT"]) == ("1", "0", "8080")
    manual = read_variables((await submitter.run("env", distributed_mode="manual")).read_log())
    assert not {"NUM_NODES", "GPU_COUNT", "HEAD_NODE"} & manual.keys()


async def test_the_exit_code_is_that_of_the_rank_that_failed_first(submitter: Submitter) -> None:
    command = "echo $RANK; [ $RANK = 1 ] || sleep 600; sleep 1; exit 3"
    task = await submitter.run(command, num_instances=3)
    assert task.read_status() == [["start", "0"], ["end", "0", "3", "0"]]
    assert task.read_log(rank=1) == "1\n"


async def test_a_rank_that_ends_well_leaves_the_others_alone(submitter: Submitter) -> None:
    task = await submitter.run("[ $RANK = 0 ] || sleep 2; echo done", num_instances=2)
    assert [task.read_log(rank=rank) for rank in (0, 1)] == ["done\n", "done\n"]
    assert task.read_status()[-1] == ["end", "0", "0", "0"]


CLEANS_UP = "trap 'sleep 1; echo cleaned; exit 5' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize("ranks", [1, 2])
async def test_a_cancelled_command_has_time_to_clean_up(submitter: Submitter, ranks: int) -> None:
    task = await submitter.submit(CLEANS_UP, num_instances=ranks, retries=3, env={"A": "x"})
    for rank in range(ranks):
        await submitter.until_logged(task, "ready", rank=rank)
    submitter.cluster.run("scancel", task.job_id)
    await submitter.until_ended(task)
    for rank in range(ranks):
        assert task.read_log(rank=rank).count("cleaned") == 1
    assert task.read_status() == [["start", "0"], ["end", "0", "5", "0"]]
    assert submitter.describe_job(task.job_id)["JobState"] == "CANCELLED"
    assert not (task.folder / "env.sh").exists()


async def test_a_command_gets_a_signal_that_its_user_sends_and_goes_on(submitter: Submitter) -> None:
    command = "trap 'echo got it' USR1 HUP; echo ready; until [ -e go ]; do sleep 0.1; done"
    command += "; [ -e again ] || { touch again; exit 1; }"
    task = await submitter.submit(command, retries={"max_retries": 1, "delay_s": 0})
    await submitter.until_logged(task, "ready")
    for number, name in enumerate(("USR1", "HUP"), start=1):
        submitter.cluster.run("scancel", "--full", f"--signal={name}", task.job_id)
        await until(lambda count=number: task.read_log().count("got it") == count)
    (task.folder / "code" / "go").touch()
    await submitter.until_ended(task)
    assert task.read_status()[1:] == [["end", "0", "1", "0"], ["start", "1"], ["end", "1", "0", "0"]]


async def test_a_command_at_its_time_limit_has_time_to_clean_up(submitter: Submitter) -> None:
    task = await submitter.submit(CLEANS_UP, max_run_time_hours=0.01)
    await submitter.until_logged(task, "ready")
    assert submitter.describe_job(task.job_id)["TimeLimit"] == "00:01:00"
    submitter.cluster.expire(task.job_id)
    await submitter.until_ended(task)
    assert "cleaned" in task.read_log()
    assert submitter.describe_job(task.job_id)["JobState"] == "TIMEOUT"


async def test_a_task_that_is_queued_again_keeps_its_variables_and_its_first_log(submitter: Submitter) -> None:
    task = await submitter.submit("echo $A; until [ -e go ]; do sleep 0.1; done; exit 4", env={"A": "value"})
    await submitter.until_logged(task, "value")
    submitter.cluster.run("scontrol", "requeue", task.job_id)
    await until(lambda: submitter.describe_job(task.job_id)["JobState"] == "PENDING")
    assert task.read_status() == [["start", "0"], ["end", "0", "143", "15"]]
    submitter.cluster.run("scontrol", "update", f"JobId={task.job_id}", "StartTime=now+2")
    await submitter.until_logged(task, "value", attempt=1)
    (task.folder / "code" / "go").touch()
    await submitter.until_ended(task)
    assert task.read_status()[2:] == [["start", "1"], ["end", "1", "4", "0"]]
    assert not (task.folder / "env.sh").exists()


async def test_retries_are_attempts_of_the_same_job(submitter: Submitter) -> None:
    task = await submitter.run("echo $A; [ -e one ] && exit; touch one; exit 7", retries=2, env={"A": "x"})
    assert task.read_status() == [["start", "0"], ["end", "0", "7", "0"], ["start", "1"], ["end", "1", "0", "0"]]
    assert task.read_log(0) == task.read_log(1) == "x\n"
    assert submitter.describe_job(task.job_id)["JobState"] == "COMPLETED"


async def test_the_elements_of_an_array_have_logs_and_ends_of_their_own(submitter: Submitter) -> None:
    task = await submitter.run('echo "$FLOW_ARRAY_INDEX $A"; exit $FLOW_ARRAY_INDEX', array="0-2,7%2", env={"A": "x"})
    for index in (0, 1, 2, 7):
        assert task.read_log(rank=index) == f"{index} x\n"
        assert task.read_status(index) == [["start", "0"], ["end", "0", str(index), "0"]]
    assert not (task.folder / "env.sh").exists()
    assert task.record.array == "0-2,7%2"


async def test_the_log_of_an_element_with_several_ranks_has_all_of_them(submitter: Submitter) -> None:
    task = await submitter.run("echo rank $RANK", array="0-1", num_instances=2)
    for index in (0, 1):
        assert sorted(task.read_log(rank=index).splitlines()) == ["0: rank 0", "1: rank 1"]


async def test_values_and_paths_may_hold_any_character(submitter: Submitter) -> None:
    odd = """it's "a" $HOME `id` %j %% \\ *"""
    home = submitter.user.home
    submitter.change(folder=f"~/{odd}")
    where = home / f"in {odd}"
    where.mkdir()
    where.chmod(0o777)
    env = {"ODD": odd, "LINES": "a\n\nb\n", "EMPTY": ""}
    command = 'printf \'%s|\' "$ODD" "$LINES" "$EMPTY"; pwd\n# a second line @COMMAND@'
    for ranks in (1, 2):
        task = await submitter.run(command, env=env, working_dir=str(where), num_instances=ranks)
        for rank in range(ranks):
            assert task.read_log(rank=rank) == f"{odd}|a\n\nb\n||{where}\n", submitter.show(task)
        assert (task.record.folder, task.record.working_dir) == (str(task.folder), str(where))
        assert Path(task.record.folder).is_relative_to(home / odd)


async def test_a_path_from_the_home_is_recorded_as_an_absolute_one(submitter: Submitter) -> None:
    submitter.write("there/file", "content")
    task = await submitter.run("cat file", working_dir="~/there")
    assert task.read_log() == "content"
    assert task.record.working_dir == f"{submitter.user.home}/there"


async def test_code_is_uploaded_and_is_where_the_command_starts(submitter: Submitter, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.sh").write_text("echo from the code; pwd")
    fields = {"code_root": str(tmp_path), "upload_code": True}
    task = await submitter.run("sh src/main.sh", **fields)
    assert task.read_log() == f"from the code\n{task.folder}/code\n"
    task = await submitter.run("sh main.sh", working_dir="src", **fields)
    assert task.read_log() == f"from the code\n{task.folder}/code/src\n"
    task = await submitter.run("sh src/main.sh", working_dir="/workspace", **fields)
    assert task.read_log() == f"from the code\n{task.folder}/code\n"
    before = submitter.list_traces()
    with pytest.raises(ConfigError) as refused:
        await submitter.submit("true", working_dir="nowhere", **fields)
    assert refused.value.field == "working_dir"
    assert submitter.list_traces() == before


async def test_a_data_mount_without_an_image_is_a_link_in_the_code(submitter: Submitter) -> None:
    submitter.write("data/file", "content")
    task = await submitter.run("cat in/put/file", data_mounts=[{"source": "~/data", "target": "/workspace/in/put"}])
    assert task.read_log() == "content"
    path = str(submitter.user.home / "data")
    task = await submitter.run(f"cat {path}/file", data_mounts=[{"source": path, "target": path}])
    assert task.read_log() == "content"


async def test_a_task_waits_for_others(submitter: Submitter) -> None:
    first = await submitter.submit("until [ -e go ]; do sleep 0.1; done; exit 1")
    ok = await submitter.submit("true", after=[first.job_id])
    any_end = await submitter.submit("echo ran", after=[f"afterany:{first.job_id}"])
    assert submitter.describe_job(ok.job_id)["Dependency"] == f"afterok:{first.job_id}(unfulfilled)"
    await until(lambda: (first.folder / "code").exists())
    (first.folder / "code" / "go").touch()
    await submitter.until_ended(any_end)
    assert any_end.read_log() == "ran\n"
    await until(lambda: submitter.describe_job(ok.job_id)["Reason"] == "DependencyNeverSatisfied")


async def test_a_start_time_does_not_depend_on_the_time_zone_of_the_login_node(submitter: Submitter) -> None:
    submitter.write(".bashrc", "export TZ=Asia/Tokyo SLURM_TIME_FORMAT=relative\n")
    assert (await submitter.login_node.run("date +%Z")).stdout == b"JST\n"
    task = await submitter.submit("true", scheduled_start_time="2035-06-01T10:00:00Z")
    planned = submitter.cluster.run("squeue", "--noheader", f"--job={task.job_id}", "--format=%S")
    starts = submitter.cluster.run("date", "-d", planned, "+%s")
    assert abs(int(starts) - datetime(2035, 6, 1, 10, tzinfo=UTC).timestamp()) <= 2


async def test_defaults_of_the_login_shell_do_not_replace_what_the_context_names(submitter: Submitter) -> None:
    submitter.write(".bashrc", "export SBATCH_PARTITION=debug SBATCH_ARRAY_INX=0-3 SBATCH_WAIT=1 SBATCH_TIMELIMIT=7\n")
    submitter.change(partition="gpu")
    shell = await submitter.login_node.run("echo $SBATCH_PARTITION")
    assert shell.stdout == b"debug\n"
    task = await submitter.submit("sleep 600", array="0-1", max_run_time_hours=1)
    job = submitter.describe_job(task.job_id)
    assert (job["Partition"], job["TimeLimit"]) == ("gpu", "01:00:00")
    assert len(submitter.cluster.run("squeue", "-h", "-r", f"--job={task.job_id}").splitlines()) == 2


async def test_resources_are_asked_for_by_the_fields_of_a_task(submitter: Submitter) -> None:
    fields = {"min_cpus": 3, "min_memory_gb": 2, "priority": "low", "region": "gpu", "min_gpu_memory_gb": 40}
    options = {"comment": "a b", "nodelist": ["node2"], "mail_type": "NONE", "requeue": False}
    task = await submitter.submit("sleep 600", provider_options={"slurm": options}, **fields)
    job = submitter.describe_job(task.job_id)
    assert (job["MinCPUsNode"], job["MinMemoryNode"], job["Nice"]) == ("3", "2G", "1000")
    assert (job["Partition"], job["ReqNodeList"], job["Requeue"]) == ("gpu", "node2", "0")
    assert job["TresPerNode"].endswith("gpu:a100:1")
    assert job["Comment"] == f"flow:{task.record.key}"


async def test_a_start_can_be_estimated_without_a_trace(submitter: Submitter) -> None:
    submitter.write(".bashrc", "export TZ=Asia/Tokyo SLURM_TIME_FORMAT=relative\n")
    found = await submitter.prepare("true", instance_type="4xa100", num_instances=2).estimate()
    times = re.findall(
        r"Job \d+ to start at (\S+) using 2 processors on nodes node\[[1-3][-,][1-3]\] in partition gpu", found
    )
    starts = datetime.fromisoformat(times[0]).replace(tzinfo=UTC)
    assert abs((starts - datetime.now(UTC)).total_seconds()) < 600
    found = await submitter.prepare("#!/bin/sh\n#SBATCH -p debug\ntrue\n", min_cpus=2).estimate()
    assert "using 2 processors on nodes node1 in partition debug" in found
    with pytest.raises(CapacityError) as refused:
        await submitter.prepare("true", provider_options={"slurm": {"gres": "gpu:9"}}).estimate()
    assert refused.value.field == "provider_options"
    assert submitter.list_traces() == set()
