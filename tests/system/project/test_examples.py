"""Every script under docs/examples, and every Python block of the pages, is run as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.s3_server import S3Server
from testbed.sshd import Sshd

from flow_core import Flow

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


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """This machine with four pretend GPUs, and programs that the pages speak of."""
    for name, text in (("python", "echo python ran"), ("nvidia-smi", "echo NVIDIA-SMI")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    monkeypatch.chdir(tmp_path)
    with Flow() as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """Returns what a script says, run in a folder of its own on a machine with four pretend GPUs."""
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    monkeypatch.chdir(tmp_path)

    def run_script(script: Path) -> str:
        runpy.run_path(str(script), run_name="__main__")
        return capfd.readouterr().out

    return run_script


def test_each_example_has_a_line_that_it_must_say() -> None:
    assert [script.stem for script in EXAMPLES] == sorted(SAID)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_an_example_runs_and_says_what_it_promises(script: Path, run: Callable[[Path], str]) -> None:
    assert SAID[script.stem] in run(script)


def test_the_python_on_the_page_of_the_sdk_runs_as_it_stands(tmp_path: Path, run: Callable[[Path], str]) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "sdk.md").read_text(encoding="utf-8"))
    assert len(blocks) > 8
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    for name in ("train.py", "serve.py"):
        (tmp_path / name).write_text("print('step 1')\n", encoding="utf-8")
    (tmp_path / "task.yaml").write_text((ROOT / "docs" / "examples" / "task.yaml").read_text(), encoding="utf-8")
    run(tmp_path / "page.py")


def test_the_python_on_the_page_of_local_tasks_runs_as_it_stands(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(S3Server()) as server:
        server.put("bucket", {"pretrained/weights.bin": b"w"})
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        blocks = BLOCK.findall((ROOT / "docs" / "local.md").read_text(encoding="utf-8"))
        exec(compile("\n".join(blocks), "local.md", "exec"), {"flow": flow})
        assert [task.wait(60).exit_code for task in flow.list_tasks()] == [0, 0]


def test_the_python_of_the_first_session_runs_as_it_stands(tmp_path: Path, run: Callable[[Path], str]) -> None:
    (block,) = BLOCK.findall((ROOT / "docs" / "first-session.md").read_text(encoding="utf-8"))
    (tmp_path / "page.py").write_text(block, encoding="utf-8")
    assert run(tmp_path / "page.py").splitlines() == ["step 1", "step 2", "step 3", "completed"]
    assert (tmp_path / "result.txt").read_text(encoding="utf-8") == "42\n"


def test_the_training_on_the_page_of_hosts_is_a_valid_task() -> None:
    (block,) = BLOCK.findall((ROOT / "docs" / "hosts.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    exec(compile(block.partition("with Flow")[0], "hosts.md", "exec"), names)
    assert names["config"].num_instances == 2


def test_the_python_on_the_page_of_the_emulator_runs_as_it_stands() -> None:
    (block,) = BLOCK.findall((ROOT / "docs" / "emulator.md").read_text(encoding="utf-8"))
    exec(compile(block, "emulator.md", "exec"), {})


@pytest.mark.needs("sshd")
def test_the_python_on_the_page_of_hosts_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd = Sshd(tmp_path / "sshd")
    model = tmp_path / "far" / "runs" / "7" / "model.pt"  # not in the home directory of whoever runs this
    model.parent.mkdir(parents=True)
    model.write_text("weights")
    home = tmp_path / "me"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(sshd.config(name="gpu1").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    main, asking = BLOCK.findall((ROOT / "docs" / "ssh.md").read_text(encoding="utf-8"))
    compile(asking.replace("host = await", "host ="), "ssh.md", "exec")
    names: dict[str, Any] = {}
    exec(compile(main.replace("runs/7/model.pt", str(model)), "ssh.md", "exec"), names)
    sshd.start()
    try:
        asyncio.run(names["main"]())
    finally:
        sshd.stop()
    assert (tmp_path / "model.pt").read_text() == "weights"
    assert "TensorBoard: http://127.0.0.1:" in capsys.readouterr().out


def test_the_python_in_the_readme_runs_on_a_machine_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "README.md", "exec"), {})
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("hello from ")
    assert last.endswith(" completed")
