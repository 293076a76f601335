"""Scripts with #SBATCH lines that users already have, run unchanged on a real cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.slurm_submits import Submitter

from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.submit.submission import describe_submission

pytestmark = pytest.mark.needs("slurm", "sshd", "bash")

TORCHRUN = """#!/bin/bash

#SBATCH --job-name=multinode-example
#SBATCH --nodes=2
#SBATCH --ntasks=2
#SBATCH --gres=gpu:1   # one for each node
#SBATCH --cpus-per-task=2
#SBATCH --output=logs/%x_%j.out
#SBATCH --time 00:10:00

nodes=( $( scontrol show hostnames $SLURM_JOB_NODELIST ) )
nodes_array=($nodes)
head_node=${nodes_array[0]}
echo Node IP: $head_node
export LOGLEVEL=INFO

srun ./torchrun \\
--nnodes 2 \\
--nproc_per_node 1 \\
--rdzv_id $RANDOM \\
--rdzv_backend c10d \\
--rdzv_endpoint $head_node:29500 \\
train.py 50 10"""  # no line end, as editors of other systems leave it


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a script, and a torchrun that shows what it is asked to do."""
    (tmp_path / "train.slurm").write_text(TORCHRUN)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "keep").write_text("")
    (tmp_path / "torchrun").write_text('#!/bin/sh\necho "rank $SLURM_PROCID on $SLURMD_NODENAME: $*"\n')
    (tmp_path / "torchrun").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_a_script_for_several_nodes_runs_unchanged_with_its_own_output(submitter: Submitter, code: Path) -> None:
    task = await submitter.run("train.slurm", upload_code=True)
    record = task.record
    output = task.folder / "code" / "logs" / f"multinode-example_{task.job_id}.out"
    lines = output.read_text().splitlines()
    job = submitter.describe_job(task.job_id)
    head, second = submitter.cluster.run("scontrol", "show", "hostnames", job["NodeList"]).split()
    assert lines[0] == f"Node IP: {head}"
    assert sorted(line.partition(":")[0] for line in lines[1:]) == [f"rank 0 on {head}", f"rank 1 on {second}"]
    assert f"--rdzv_endpoint {head}:29500 train.py 50 10" in lines[1]
    assert task.read("script.sh") == TORCHRUN
    stored = submitter.cluster.run("scontrol", "write", "batch_script", task.job_id, "-")
    assert stored.rstrip("\0\n") == TORCHRUN
    assert (record.name, record.command, record.ranks) == ("multinode-example", "train.slurm", 2)
    assert (record.is_user_script, record.output_path, record.error_path) == (True, "logs/%x_%j.out", "")
    assert record.working_dir == f"{record.folder}/code"
    assert (job["Comment"], job["JobState"]) == (f"flow:{record.key}", "COMPLETED")


async def test_a_script_keeps_its_name_unless_the_task_has_one(submitter: Submitter) -> None:
    text = "#!/bin/sh\n#SBATCH -J own\ntrue\n"
    names = [(await submitter.submit(text, name=name)).record.name for name in ("flow-task", "flow-submit")]
    assert names == ["own", "own"]
    assert (await submitter.submit(text, name="given", unique_name=False)).record.name == "given"


async def test_text_is_a_script_too_and_its_default_output_is_in_the_code(submitter: Submitter) -> None:
    task = await submitter.run("#!/bin/bash\n#SBATCH --array=0-1\necho $0 $SLURM_ARRAY_TASK_ID\nexit 3\n")
    for index in (0, 1):
        assert task.read(f"code/slurm-{task.job_id}_{index}.out").endswith(f" {index}\n")
    assert (task.record.array, task.record.output_path, task.record.name) == ("0-1", "", "sbatch")
    assert submitter.describe_job(task.job_id)["ExitCode"] == "3:0"


async def test_options_and_arguments_of_sbatch_are_kept(submitter: Submitter, code: Path) -> None:
    (code / "args.sh").write_text("#!/bin/sh\n#SBATCH --nodes=2\nprintf '%s|' \"$@\"\n")
    task = await submitter.run("sbatch -N 1 -J 'two words' -t5 args.sh --nodes '$HOME' \"a 'b'\"")
    assert task.read(f"code/slurm-{task.job_id}.out") == "--nodes|$HOME|a 'b'|"
    job = submitter.describe_job(task.job_id)
    assert (job["NumNodes"], job["TimeLimit"]) == ("1", "00:05:00")
    assert task.record.name == "two words"


async def test_fields_of_the_task_override_the_script_and_the_context_only_adds(submitter: Submitter) -> None:
    script = "#!/bin/sh\n#SBATCH --time=9 --partition=gpu --job-name=own\nsleep 600\n"
    submitter.change(partition="debug", constraint="a100")
    task = await submitter.submit(script)
    job = submitter.describe_job(task.job_id)
    assert (job["Partition"], job["Features"], job["TimeLimit"]) == ("gpu", "a100", "00:09:00")
    assert job["JobName"] == "own"
    fields = {"region": "debug", "max_run_time_hours": 0.25, "instance_type": "2xa100", "name": "given"}
    task = await submitter.submit(script, unique_name=False, **fields)
    job = submitter.describe_job(task.job_id)
    assert (job["Partition"], job["TimeLimit"], job["JobName"]) == ("debug", "00:15:00", "given")
    assert job["TresPerNode"].endswith("gpu:a100:2")


async def test_a_script_gets_the_variables_of_the_task_and_no_file_of_them_is_left(submitter: Submitter) -> None:
    task = await submitter.run('#!/bin/sh\n#SBATCH --time=5\necho "<$A>"\n', env={"A": "it's\n$HOME"})
    assert task.read(f"code/slurm-{task.job_id}.out") == "<it's\n$HOME>\n"
    assert not (task.folder / "env.sh").exists()


async def test_a_script_keeps_its_working_directory_or_gets_that_of_the_task(submitter: Submitter) -> None:
    home = submitter.user.home
    submitter.cluster.make_folder(submitter.user, "there")
    script = f"#!/bin/sh\n#SBATCH --chdir={home}/there\npwd\n"
    task = await submitter.run(script)
    assert (home / "there" / f"slurm-{task.job_id}.out").read_text() == f"{home}/there\n"
    assert task.record.working_dir == f"{home}/there"
    task = await submitter.run(script, working_dir="~/")
    assert (home / f"slurm-{task.job_id}.out").read_text() == f"{home}\n"
    assert task.record.working_dir.rstrip("/") == str(home)


async def test_what_can_not_be_done_to_an_unchanged_script_is_refused(submitter: Submitter, code: Path) -> None:
    script = "#!/bin/sh\n#SBATCH --time=5\ntrue\n"
    for fields in ({"image": "a"}, {"retries": 1}, {"ports": [8080]}):
        with pytest.raises(Unsupported, match="runs unchanged"):
            await submitter.submit(script, **fields)
    for command, part in (
        ("sbatch nowhere.sh", "is no file of this machine"),
        ("sbatch", "needs a script"),
        ("sbatch --wrap=true", "instead of sbatch --wrap"),
        ("sbatch --gone train.slurm", "--gone is not an option"),
    ):
        with pytest.raises(ConfigError, match=part) as refused:
            await submitter.submit(command)
        assert refused.value.field == "command"
    assert submitter.list_traces() == set()


def test_a_script_is_shown_as_it_is_sent(submitter: Submitter, code: Path) -> None:
    config = TaskConfig.parse({"command": "sbatch --nodes=1 train.slurm a", "region": "gpu", "env": {"A": "secret"}})
    shown = describe_submission(config, submitter.settings)
    assert TORCHRUN in shown
    assert f"# The files in '{code}' of your machine are copied" in shown
    assert shown.endswith("sbatch --comment='flow:KEY' --nodes='1' --partition='gpu' \"$run/script.sh\" 'a'")
    assert "secret" not in shown
