"""Every script under docs/examples, and every Python block of the pages, is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAID = {
    "dev_vm": "42\nexit code 0",
    "find_gpus": "1xa100 using GPU",
    "follow_a_task": "completed with exit code 0",
    "follow_two_logs": "two ends",
    "read_on_after_a_break": "11 b'second line\\n'",
    "reserve_gpus": "running on GPU",
    "run_a_task_file": "accuracy 0.93",
    "several_instances": "rank 2 of 3, meeting at 127.0.0.1:",
    "stop_at_an_error": "cancelled",
    "sweep": "best rate: 1e-4",
    "train_with_volumes": "completed epoch 1",
    "try_again": "completed after 2 attempts",
    "upload_code": "version 2",
}


def run(script: Path, folder: Path) -> str:
    """What a script says, run in a folder of its own on a machine with four pretend GPUs."""
    environment = {**os.environ, "FLOW_LOCAL_GPUS": "a100:4", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_each_example_has_a_line_that_it_must_say() -> None:
    assert [script.stem for script in EXAMPLES] == sorted(SAID)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_and_says_what_it_promises(script: Path, tmp_path: Path) -> None:
    assert SAID[script.stem] in run(script, tmp_path)


def test_the_python_on_the_page_of_the_sdk_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "sdk.md").read_text(encoding="utf-8"))
    assert len(blocks) > 8
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    for name in ("train.py", "serve.py"):
        (tmp_path / name).write_text("print('step 1')\n", encoding="utf-8")
    (tmp_path / "task.yaml").write_text((ROOT / "docs" / "examples" / "task.yaml").read_text(), encoding="utf-8")
    run(tmp_path / "page.py", tmp_path)
