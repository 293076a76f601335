"""A submit makes a whole task or nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import given
from testbed.any_config import CONFIGS, config_of
from testbed.properties import limit_examples
from testbed.sentences import is_a_sentence

from flow_core import Flow, FlowError, TaskConfig
from flow_core.config import Context


@given(CONFIGS.map(lambda fields: fields | {"command": "true", "idempotency_key": None}))
@limit_examples(8)
def test_a_submit_makes_a_whole_task_or_nothing(fields: dict[str, Any]) -> None:
    config = config_of(fields)
    context = Context("local", "local", {"gpus": "a100:2"})
    with Flow(context) as flow:
        before, known = traces(), len(flow.list_tasks(limit=1000))
        try:
            task = flow.run(config)
        except FlowError as error:
            refused = error
        else:
            assert TaskConfig.parse(dict(task.config)) == config
            task.cancel(force=True)
            assert task.wait(20).is_terminal
            return
        assert is_a_sentence(refused)
        assert traces() <= before | FRAME
        assert len(flow.list_tasks(limit=1000)) == known


FRAME = {"tasks", "volumes", "gpus", "queue", "contexts", "local"}
"""The folders that are there whether or not there is a task."""


def traces() -> set[str]:
    """The names of what stands for tasks, volumes and places in the queue; those of the frame by their last name."""
    root = Path(os.environ["FLOW_STATE_DIR"]) / "local"
    folders = [path for path in root.glob("**/*") if path.is_dir() or path.parent.name == "queue"]
    return {
        path.name if path.name in FRAME else str(path)
        for path in folders
        if not path.name.startswith((".lock", "counter"))
    }
