"""The schema that editors use says what the reader accepts."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import yaml
from testbed.places import ROOT
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.schema import DESCRIPTIONS, task_schema
from flow_core.models.task_config import TaskConfig

DOCS = ROOT / "docs"


def is_valid(fields: Any) -> bool:
    return jsonschema.Draft202012Validator(task_schema()).is_valid(fields)


def is_read(fields: Any) -> bool:
    try:
        TaskConfig.parse(fields)
    except ConfigError:
        return False
    return True


def test_the_file_in_the_docs_is_the_current_schema() -> None:
    written = json.loads((DOCS / "task.schema.json").read_text(encoding="utf-8"))
    assert written == task_schema(), "python -m flow_core.models.schema > docs/task.schema.json"
    jsonschema.Draft202012Validator.check_schema(written)


def test_every_field_has_a_description() -> None:
    assert list(DESCRIPTIONS) == list(TaskConfig.model_fields)


def test_the_task_file_of_the_examples_is_valid() -> None:
    assert is_valid(yaml.safe_load((DOCS / "examples" / "task.yaml").read_text(encoding="utf-8")))


@each(
    "fields",
    [
        {"command": "x"},
        {"command": ["a", "b"], "instance_type": ["8xh100", "8xa100"], "num_instances": 2},
        {"command": "x", "retries": 3},
        {"command": "x", "retries": {"max_retries": 2, "mode": "exponential"}},
        {"command": "x", "volumes": [{"name": "data", "target": "/data"}, {"size_gb": 10, "mount_path": "/new"}]},
        {"command": "x", "data_mounts": [{"source": "s3://bucket/x", "target": "/data"}], "ports": [8080]},
        {"command": "x", "provider_options": {"slurm": {"partition": "gpu"}}},
        {},
        {"command": 5},
        {"command": "x", "gpu": "a100"},
        {"command": "x", "num_instances": 0},
        {"command": "x", "retries": 11},
        {"command": "x", "ports": [80]},
        {"command": ["x", 1, 0.5], "env": {"A": 1}},
        {"command": "x", "env": {"A": [1]}},
        {"command": "x", "retries": {"backoff_seconds": 1, "backoff_coefficient": 2}},
        {"command": "x", "retries": {"backoff_coefficient": 11}},
        {"command": "x", "volumes": [{"volume_name": "data"}]},
        {"command": "x", "volumes": [{"nmae": "data"}]},
        {"command": "x", "priority": "urgent"},
    ],
)
def test_the_schema_and_the_reader_agree(fields: Any) -> None:
    assert is_valid(fields) == is_read(fields)
