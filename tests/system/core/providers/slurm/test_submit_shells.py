"""The scripts of a submission run in the shells and with the tools that clusters have."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from testbed.waiting import DEADLINE_S, wait_until

from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.submit.plan import PlanBuilder, SubmissionPlan
from flow_core.providers.slurm.submit.remote_steps import RemoteSteps

pytestmark = pytest.mark.needs("linux", "dash", "bash", "busybox")
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
AWKS = {name: shutil.which(name) for name in ("mawk", "gawk", "original-awk", "busybox")}
SBATCH = """#!/bin/sh
umask >"$HOME/mask"
printf '%s\\n' "$@" >"$HOME/arguments"
echo "the site's wrapper greets you" && echo '42;cluster'
"""
SCONTROL = "#!/bin/sh\n[ \"$2\" = job ] && echo 'JobId=7 Restarts=0 BatchFlag=1'\n"
KEY = "0123456789ab"
ODD = 'it\'s "a"\t\\n \\\\ %s `id` $HOME\n\n\x01ä\udcff end'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a backslash and a quote in its name, and the programs of a cluster."""
    home = tmp_path / 'a "b" \\n c'
    (home / "bin").mkdir(parents=True)
    for name, text in (("sbatch", SBATCH), ("scontrol", SCONTROL)):
        (home / "bin" / name).write_text(text)
        (home / "bin" / name).chmod(0o755)
    return home


def build(**fields: Any) -> tuple[RemoteSteps, SubmissionPlan]:
    config = TaskConfig.parse({"upload_code": False, "unique_name": False, **fields})
    steps = RemoteSteps(config, SlurmSettings(), KEY, has_code=False)
    return steps, PlanBuilder(config, SlurmSettings(), KEY, steps.marks).build(None, None)


def run(shell: str, home: Path, *words: str, stdin: bytes = b"", **env: str) -> bytes:
    done = subprocess.run(
        [*SHELLS[shell], *words],
        input=stdin,
        env={"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", **env},
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("awk", [name for name, path in AWKS.items() if path is not None])
def test_the_files_arrive_byte_by_byte_with_every_shell_and_awk(home: Path, shell: str, awk: str) -> None:
    (home / "bin" / "awk").symlink_to(str(AWKS[awk]))
    command = ODD + "x" * 70_000
    steps, plan = build(command=command, env={"ODD": ODD, "EMPTY": "\n"}, working_dir="~/")
    script, stdin = steps.build_first(plan)
    answer = steps.parse(run(shell, home, "-c", script, stdin=stdin))
    folder = home / ".local" / "state" / "flow" / "slurm" / "runs" / KEY
    assert (answer.word, answer.split_job(), answer.home) == ("job", ("42", str(folder)), str(home))
    for name, data in plan.files.items():
        assert (folder / name).read_bytes() == data, name
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    located = steps.locate(plan.submission, answer)
    assert located.working_dir == f"{home}/"
    assert (folder / "submission.json").read_text() == located.to_json()
    assert (folder / "job").read_text() == "42\n"
    assert (folder.parent.parent / "jobs" / "42").resolve() == folder.resolve()
    assert list((folder.parent.parent / "unfinished").iterdir()) == []
    assert (home / "mask").read_text().strip().endswith("022")
    arguments = (home / "arguments").read_text().splitlines()
    assert arguments == [
        "--parsable",
        f"--comment=flow:{KEY}",
        "--export=ALL",
        "--output=/dev/null",
        f"{folder}/script.sh",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_files_that_do_not_arrive_completely_are_removed(home: Path, shell: str) -> None:
    steps, plan = build(command="true", env={"A": "x" * 1000})
    script, stdin = steps.build_first(plan)
    for cut in (0, 40, 600, len(stdin) // 2):
        assert steps.parse(run(shell, home, "-c", script, stdin=stdin[:cut])).word == "unwritable"
    assert not (home / "arguments").exists()
    root = home / ".local" / "state" / "flow" / "slurm"
    assert list((root / "runs").iterdir()) == list((root / "unfinished").iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_batch_script_runs_in_every_shell(home: Path, shell: str) -> None:
    steps, plan = build(
        command='echo "$A $NUM_NODES"; umask; exit 3', env={"A": ODD}, retries={"max_retries": 1, "delay_s": 0}
    )
    script, stdin = steps.build_first(plan)
    run(shell, home, "-c", script, stdin=stdin)
    folder = home / ".local" / "state" / "flow" / "slurm" / "runs" / KEY
    run(shell, home, str(folder / "script.sh"), SLURM_JOB_ID="7")
    for attempt in (0, 1):
        log = (folder / f"attempt-{attempt}" / "rank-0.log").read_bytes()
        assert log == os.fsencode(f"{ODD} 1\n0022\n")
    lines = [line.split()[:-1] for line in (folder / "status").read_text().splitlines()]
    assert lines == [["start", "0"], ["end", "0", "3", "0"], ["start", "1"], ["end", "1", "3", "0"]]
    assert not (folder / "env.sh").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_batch_script_waits_for_the_command_after_a_signal(home: Path, shell: str) -> None:
    command = "trap 'sleep 0.5; echo cleaned; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    steps, plan = build(command=command, env={"A": "x"}, retries=2)
    script, stdin = steps.build_first(plan)
    run(shell, home, "-c", script, stdin=stdin)
    folder = home / ".local" / "state" / "flow" / "slurm" / "runs" / KEY
    env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    process = subprocess.Popen([*SHELLS[shell], str(folder / "script.sh")], env=env, start_new_session=True)
    log = folder / "attempt-0" / "rank-0.log"
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    os.killpg(process.pid, 15)  # as Slurm does
    assert process.wait(DEADLINE_S) == 5
    assert log.read_text().endswith("cleaned\n")
    assert (folder / "status").read_text().splitlines()[-1].startswith("end 0 5 0 ")
    assert not (folder / "env.sh").exists()
