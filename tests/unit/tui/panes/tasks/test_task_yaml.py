"""A task's spec as YAML, to copy."""

from __future__ import annotations

from typing import Any

from testbed.bare_services import KEYS

from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.task_yaml import format_task_yaml


def record(config: TaskConfig | None) -> TaskRecord:
    asked = {} if config is None else config.to_dict()
    return TaskRecord("lab", "task_1", "llama-x1", TaskStatus.FAILED, command="srun x", config=asked)


def test_what_was_submitted_reads_back_as_it_was() -> None:
    config = TaskConfig.parse(
        {
            "name": "llama",
            "command": ["python", "train.py", "--token-count", "5"],
            "env": {"A": "1"},
            "retries": 2,
            "volumes": [{"name": "data", "size_gb": 5, "mount_path": "/d"}],
        }
    )
    text = format_task_yaml(record(config))
    assert not text.startswith("#")
    assert TaskConfig.from_yaml_text(text) == config


def test_secrets_are_hidden_wherever_they_stand_and_a_comment_says_so() -> None:
    config = TaskConfig.parse(
        {
            "command": "true",
            "env": {"WANDB_API_KEY": "hunter2", "PLAIN": "3"},
            "provider_options": {"lab": {"password": "hunter2", "urls": ["https://ann:hunter2@x/y"]}},
        }
    )
    text = format_task_yaml(record(config))
    assert "hunter2" not in text
    assert text.splitlines()[0] == "# Secrets are [hidden]; fill them in before you submit this."
    again = TaskConfig.from_yaml_text(text)
    assert again.env == {"WANDB_API_KEY": "[hidden]", "PLAIN": "3"}


def test_a_task_from_elsewhere_is_said_by_what_is_known_of_it() -> None:
    assert TaskConfig.from_yaml_text(format_task_yaml(record(None))).command == "srun x"


async def test_it_is_copied_from_the_detail_too(ask: Any) -> None:
    task = record(TaskConfig(command="echo mine"))
    async with ask(TaskDetail(task, KEYS)) as question:
        await question.press("tasks.spec")
        await question.until(lambda: question.app.clipboard == format_task_yaml(task))
