"""Task files of other tools are recognised, and what to write instead is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.task_config import TaskConfig
from flow_core.models.task_sources import explain_task_file, to_task_config

SKYPILOT = """\
name: train
resources:
  accelerators: H100:8
  cloud: aws
num_nodes: 2
workdir: .
envs:
  EPOCHS: 10
setup: pip install torch
run: |
  python train.py
"""
DSTACK = """\
type: task
name: train
python: "3.12"
env:
  - HF_TOKEN
commands:
  - pip install torch
  - python train.py
nodes: 2
resources:
  gpu: A100:4
"""
KUBERNETES = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: train
spec:
  template:
    spec:
      containers:
        - name: train
          image: pytorch/pytorch
          command: [python, train.py]
"""
COMPOSE = """\
services:
  train:
    image: pytorch/pytorch
    command: python train.py
    environment:
      EPOCHS: 10
"""
IR = """\
api_version: flow.ir/v1
name: train
command: [python, train.py]
resources: {gpus: 8, gpu_type: h100}
params:
  retry: 2
"""
PBS = """\
#!/bin/bash
#PBS -N train
#PBS -l select=2:ngpus=4
#PBS -l walltime=12:00:00
#PBS -q gpu
python train.py
"""
SAID = [
    (
        SKYPILOT,
        3,
        "is a SkyPilot task, which flow does not read; write instance_type: 8xh100 for resources.accelerators (line 3),"
        " num_instances for num_nodes (line 5), code_root for workdir (line 6), env for envs (line 7),"
        " command (its first lines) for setup (line 9), command for run (line 10)",
    ),
    (
        DSTACK,
        4,
        "is a dstack configuration, which flow does not read; write env (a table) for env (line 4),"
        " command (one text, a line each) for commands (line 6), num_instances for nodes (line 9),"
        " instance_type: 4xa100 for resources.gpu (line 11)",
    ),
    (KUBERNETES, 4, "is a Kubernetes manifest, which flow does not read; write name for metadata.name (line 4)"),
    (
        COMPOSE,
        3,
        "is a Compose file, which flow does not read; write image for image (line 3), command for command (line 4),"
        " env for environment (line 5)",
    ),
    (
        IR,
        4,
        "is a flow.ir/v1 task, which flow does not read; write instance_type: 8xh100 for resources.gpus (line 4),"
        " retries for params.retry (line 6)",
    ),
]
IDS = ["skypilot", "dstack", "kubernetes", "compose", "ir"]


@pytest.mark.parametrize(("text", "line", "expected"), SAID, ids=IDS)
def test_a_task_file_of_another_tool_is_refused_with_what_to_write(
    text: str, line: int, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(text, encoding="utf-8")
    for read in (lambda: to_task_config(str(path)), lambda: TaskConfig.from_yaml(path)):
        with pytest.raises(ConfigError) as refused:
            read()
        assert str(refused.value).startswith(f"{path}:{line}: {expected}")
    refusal = explain_task_file(str(path))
    assert str(refusal) == str(refused.value)
    assert expected in str(explain_task_file(text))
    with pytest.raises(ConfigError, match=r"^this is a"):
        to_task_config(text)


def test_the_places_of_containers_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"image for image \(line 10\), command for command \(line 11\)"):
        TaskConfig.from_yaml_text(KUBERNETES)


def test_of_several_documents_the_first_says_whose_they_are(tmp_path: Path) -> None:
    several = f"{KUBERNETES}---\napiVersion: v1\nkind: Service\n"
    with pytest.raises(ConfigError, match=r"is a Kubernetes manifest, .*image for image \(line 10\)"):
        TaskConfig.from_yaml_text(several)
    assert "is a Kubernetes manifest" in str(explain_task_file(several))
    with pytest.raises(ConfigError, match="is not valid YAML: but found another document"):
        TaskConfig.from_yaml_text("command: 'true'\n---\ncommand: 'false'\n")


def test_a_pbs_script_is_refused_with_what_to_write(tmp_path: Path) -> None:
    script = tmp_path / "job.pbs"
    script.write_text(PBS, encoding="utf-8")
    expected = (
        "is a PBS script, which flow does not read; write name for '-N train' (line 2),"
        " instance_type: 8xh100 and num_instances for '-l select=2:ngpus=4' (line 3),"
        " max_run_time_hours for '-l walltime=12:00:00' (line 4)"
    )
    with pytest.raises(ConfigError) as refused:
        to_task_config(str(script))
    assert str(refused.value) == f"{script}:2: {expected}"
    assert str(explain_task_file(str(script))) == str(refused.value)
    assert str(explain_task_file(PBS)) == f"this {expected}"


@each(
    "command",
    [
        "python train.py",
        "echo '#PBS'\necho",
        "run: x",
        "set -e\nrun x\n",
        "type a\nresources: {\n",
        "\0\n",
        "'",
        "~nobody",
    ],
)
def test_commands_are_left_alone(command: str) -> None:
    assert explain_task_file(command) is None


def test_a_task_file_of_ours_is_no_command_either(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("command: 'true'\n", encoding="utf-8")
    assert str(explain_task_file(str(tmp_path / "task.yaml"))).endswith("task.yaml: is a task file and no command")
    (tmp_path / "empty").mkdir()
    assert explain_task_file(str(tmp_path / "empty")) is None
