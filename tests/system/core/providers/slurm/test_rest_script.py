"""The script that slurmrestd gets: it makes the folder of its task, which no client can make."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.rest.api_description import ApiDescription
from flow_core.providers.slurm.rest.job_request import JobRequest, RestRequestBuilder
from flow_core.providers.slurm.run_folder import parse_submission
from flow_core.providers.slurm.settings import SlurmSettings

KEY = "0123456789ab"


def build(command: str, name: str = "task") -> JobRequest:
    config = TaskConfig.parse({"command": command, "name": name, "upload_code": False, "unique_name": False})
    return RestRequestBuilder(config, SlurmSettings(rest_url="http://x"), "alice", KEY).build(
        None, ApiDescription(42), None
    )


def run_script(script: str, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "slurm_script").write_text(script)
    env = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", **variables}
    argv = ["/bin/sh", str(folder / "slurm_script"), *arguments]
    return subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_makes_the_folder_of_its_task_with_the_files_of_a_submission(tmp_path: Path) -> None:
    home = tmp_path / 'it\'s "my" home'
    home.mkdir()
    request = build("pwd; echo it\\'s; exit 3", name="three")
    ended = run_script(request.script, tmp_path, HOME=str(home))
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    state = home / ".local/state/flow/slurm"
    run = state / "runs" / KEY
    assert (run / "attempt-0/rank-0.log").read_text() == f"{run}/code\nit's\n"
    assert (run / "script.sh").read_text() == request.script
    assert (run / "job").read_text() == "7\n"
    assert (state / "jobs/7").resolve() == run
    submission = parse_submission((run / "submission.json").read_text(), str(run))
    assert submission is not None
    assert (submission.name, submission.command) == ("three", "pwd; echo it\\'s; exit 3")
    assert submission.working_dir == f"{run}/code"
    assert {path.stat().st_mode & 0o077 for path in (run, *run.iterdir())} == {0}
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    entered = subprocess.run(
        ["/bin/sh", str(run / "enter.sh"), "pwd"], env={"HOME": str(home)}, capture_output=True, text=True, check=True
    )
    assert entered.stdout == f"{run}/code\n"


def test_the_script_finds_the_home_that_slurm_does_not_tell(tmp_path: Path) -> None:
    lines = build("true").script.split("\nput()")[0]
    told = run_script(f'{lines}\necho "$run"', tmp_path)
    assert told.stdout == f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/state/flow/slurm/runs/{KEY}\n"


def test_a_script_that_can_not_make_its_folder_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run_script(build("echo ran >ran").script, tmp_path, HOME=str(tmp_path / "file"))
    assert ended.returncode == 1
    assert not (tmp_path / "ran").exists()
