"""From a config into the form and back: what the form has no words for is kept whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.tables import each
from textual.document._document import Document

from flow_core.errors import ConfigError
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_tui.dialogs.submit.config_to_form import make_preset, to_form_values
from flow_tui.dialogs.submit.form_to_config import CONFIG_FIELDS, parse_task_config
from flow_tui.dialogs.submit.task_text import format_task, read_task_text

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
WORD = TEXT.filter(bool)
PRINTABLE = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=12)
GPUS = st.sampled_from(["cpu", "8xcpu", "a100", "4xa100", "h100:8", "gpu:40gb", " 2xa100 ", "A100", "it_ab12"])
NAMES = st.sampled_from(["flow-task", "llama", "a.b_c"])
VOLUME_NAMES = st.sampled_from(["data", "ckpt-1", "abc", "vol-x"])
PATHS = st.sampled_from(["/data", "/a,b", "/a:b", "/with space", "/é"])
HOURS = st.floats(0.001, 100, allow_nan=False) | st.sampled_from([0.1, 0.5, 1, 12])
VOLUMES = st.fixed_dictionaries(
    {},
    optional={
        "name": VOLUME_NAMES,
        "volume_id": st.sampled_from(["vol_1", "vol-2", "other"]),
        "size_gb": st.integers(1, 100),
        "create_if_missing": st.booleans(),
        "interface": st.sampled_from(["block", "file"]),
        "iops": st.sampled_from([None, 500]),
        "mount_path": PATHS,
    },
)
MOUNTS = st.fixed_dictionaries(
    {"source": st.sampled_from(["s3://b/k", "volume://data", "/home/x", "./y"]), "target": PATHS},
    optional={"mount_type": st.sampled_from(["bind", "volume", "s3fs"]), "options": st.just({"a": [1, None]})},
)
FIELDS = st.fixed_dictionaries(
    {"command": WORD | st.lists(WORD, min_size=1, max_size=3)},
    optional={
        "name": NAMES,
        "unique_name": st.booleans(),
        "instance_type": GPUS | st.lists(GPUS, min_size=1, max_size=2),
        "min_gpu_memory_gb": st.just(40),
        "min_cpus": st.just(4),
        "num_instances": st.integers(1, 3),
        "image": PRINTABLE,
        "env": st.dictionaries(st.sampled_from(["A", "B_2", "c"]), TEXT, max_size=2),
        "working_dir": PRINTABLE,
        "volumes": st.lists(VOLUMES, max_size=2),
        "data_mounts": st.lists(MOUNTS, max_size=1),
        "ports": st.just([8080]),
        "retries": st.integers(0, 3) | st.just({"max_retries": 2, "mode": "exponential"}),
        "max_run_time_hours": HOURS,
        "scheduled_start_time": st.just("2026-03-01T12:00:00Z"),
        "priority": st.just("high"),
        "provider_options": st.just({"slurm": {"x": [1, 2.5, None, "é\n"]}}),
    },
)


@st.composite
def configs(draw: Any) -> TaskConfig:
    while True:
        try:
            return TaskConfig.parse(draw(FIELDS))
        except ConfigError:
            continue


def as_kept(key: str, text: str) -> str:
    """What the field's control makes of it: several lines are kept in a document, one line is made harmless."""
    return Document(text).text if key in ("command", "env") else escape_controls(text)


@settings(max_examples=30)
@given(configs())
def test_the_form_makes_the_same_config_again(config: TaskConfig) -> None:
    entered = to_form_values(config.to_dict())
    assert parse_task_config(entered) == config
    assert {key: as_kept(key, text) for key, text in entered.items()} == entered


@settings(max_examples=15)
@given(configs())
def test_what_the_editor_is_given_fills_the_form_with_the_same_config(config: TaskConfig) -> None:
    filling = read_task_text(format_task(to_form_values(config.to_dict()), "s.json"))
    assert parse_task_config(filling) == config


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from([*CONFIG_FIELDS, "name", "rest"]), TEXT | st.just('{"ports": [8080]}')))
def test_whatever_was_typed_is_in_the_text_for_the_editor(entered: dict[str, str]) -> None:
    fields = yaml.safe_load(format_task(entered, "s.json"))
    typed = {
        CONFIG_FIELDS[key].field: text.strip() for key, text in entered.items() if key in CONFIG_FIELDS and text.strip()
    }
    assert [name for name, text in typed.items() if isinstance(text, str) and name not in fields] == []
    for name in {"command", "working_dir", "instance_type"} & typed.keys():
        assert fields[name].strip() == typed[name]
    if entered.get("rest", "").strip():
        assert "other_fields" in fields or "ports" in fields


@each(
    ("fields", "key", "shown"),
    [
        ({"instance_type": "4xa100"}, "gpu", "4xa100"),
        ({"instance_type": ["a100", "h100"]}, "rest", {"instance_type": ["a100", "h100"]}),
        ({}, "rest", {"instance_type": None}),
        ({"min_cpus": 4, "instance_type": "cpu"}, "rest", {"min_cpus": 4}),
        ({"command": ["echo", "a b"], "instance_type": "cpu"}, "rest", {"command": ["echo", "a b"]}),
        ({"env": {"A": "1\n2"}, "instance_type": "cpu"}, "rest", {"env": {"A": "1\n2"}}),
        ({"volumes": [{"name": "data", "mount_path": "/d"}]}, "volumes", "data:/d"),
        ({"volumes": [{"name": "ckpt", "size_gb": 7}]}, "volumes", "ckpt::7"),
        ({"name": "llama", "unique_name": False, "instance_type": "cpu"}, "rest", None),
        ({"name": "llama", "instance_type": "cpu"}, "rest", {"unique_name": True}),
        ({"max_run_time_hours": 1.5}, "max_run_hours", "1.5"),
    ],
)
def test_what_has_a_place_is_there_and_the_rest_is_in_the_table(
    fields: dict[str, Any], key: str, shown: object
) -> None:
    text = to_form_values(TaskConfig.parse({"command": "true"} | fields).to_dict())[key]
    assert (json.loads(text or "null") if key == "rest" else text) == shown


def test_a_volume_with_more_than_the_form_has_words_for_is_kept_whole() -> None:
    volumes = [{"name": "data", "mount_path": "/d"}, {"name": "fast", "size_gb": 5, "iops": 500, "interface": "file"}]
    entered = to_form_values(
        TaskConfig.parse({"command": "true", "instance_type": "cpu", "volumes": volumes}).to_dict()
    )
    assert entered["volumes"] == ""
    assert [volume["name"] for volume in json.loads(entered["rest"])["volumes"]] == ["data", "fast"]


def test_what_is_in_the_table_and_in_a_field_is_refused_and_null_gives_way() -> None:
    with pytest.raises(ConfigError, match="instance_type has its own field; enter it once"):
        parse_task_config({"command": "true", "gpu": "a100", "rest": '{"instance_type": ["h100"]}'})
    assert (
        parse_task_config({"command": "true", "gpu": "a100", "rest": '{"instance_type": null}'}).instance_type == "a100"
    )


def test_running_again_makes_a_new_task_and_not_the_one_that_was_submitted_before() -> None:
    config = TaskConfig(command="true", idempotency_key="once")
    task = TaskRecord("lab", "task_1", "flow-task-x1", TaskStatus.COMPLETED, config=config.to_dict())
    assert parse_task_config(make_preset(task)).idempotency_key is None


def test_the_text_says_the_context_the_fields_and_why_it_is_no_task_yet() -> None:
    text = format_task({"context": "lab", "command": "", "gpu": "4 a100"}, "s.json")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments[0] == "# yaml-language-server: $schema=s.json"
    assert "# Context: lab; choose it in the form." in comments
    assert any("num_instances" in line for line in comments)
    assert any(line.startswith("# Not a task yet: ") for line in comments)
    assert "instance_type: 4 a100" in text


def test_a_refused_text_is_refused_with_line_and_field() -> None:
    with pytest.raises(ConfigError, match=r"task\.yaml:2: num_instances: ") as refused:
        read_task_text("command: true x\nnum_instances: 0\n")
    assert (refused.value.line, refused.value.field) == (2, "num_instances")
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read_task_text("#" * (1 << 21))
