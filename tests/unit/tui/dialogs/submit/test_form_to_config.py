"""From what was typed to a TaskConfig and back."""

from __future__ import annotations

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_tui.dialogs.submit.config_to_form import make_preset
from flow_tui.dialogs.submit.form_to_config import (
    parse_env,
    parse_hours,
    parse_rest,
    parse_size_gb,
    parse_task_config,
    parse_volumes,
)


def test_every_field_reaches_the_config() -> None:
    config = parse_task_config(
        {
            "name": "llama",
            "command": "cd x\npython train.py",
            "gpu": " 4xa100 ",
            "env": "A=1\n\nB= two=2 \n",
            "volumes": "data:/data, ckpt:/ckpt:100",
            "working_dir": "/work",
            "max_run_hours": "90m",
        }
    )
    assert (config.name, config.unique_name) == ("llama", False)
    assert config.command == "cd x\npython train.py"
    assert config.instance_type == "4xa100"
    assert config.env == {"A": "1", "B": " two=2 "}
    assert [(v.name, v.mount_path, v.size_gb, v.create_if_missing) for v in config.volumes] == [
        ("data", "/data", 1, False),
        ("ckpt", "/ckpt", 100, True),
    ]
    assert (config.working_dir, config.max_run_time_hours) == ("/work", 1.5)


def test_a_command_is_enough() -> None:
    config = parse_task_config({"command": "true"})
    assert config == TaskConfig(command="true", instance_type="cpu")
    assert config.unique_name


@each(
    ("typed", "field", "expected"),
    [
        ({"command": " "}, "command", "must not be empty; enter a command or a script"),
        ({"name": "No Spaces"}, "name", "must be at most 128"),
        ({"env": "A=1\nnonsense"}, "env", "line 2 is not NAME=value"),
        ({"env": "A=1\nA=2"}, "env", "line 2 sets A again"),
        ({"env": "1x=2"}, "env", "'1x' is not a variable name"),
        ({"volumes": "data:relative"}, "volumes", "'data:relative': 'relative' must be an absolute path"),
        ({"volumes": "data:/a:b:c"}, "volumes", "is not name:/path or name:/path:GB"),
        ({"volumes": ":/a"}, "volumes", "is not name:/path or name:/path:GB"),
        ({"volumes": "data:/a:lots"}, "volumes", "enter gigabytes"),
        ({"volumes": "data:/a:0"}, "volumes", "greater than or equal to 1"),
        ({"volumes": "Data:/a"}, "volumes", "must be 3 to 64"),
        ({"volumes": "one:/a, two:/a"}, "volumes", "mounts /a and /a clash"),
        ({"max_run_hours": "soon"}, "max_run_time_hours", "enter hours"),
        ({"max_run_hours": "1000"}, "max_run_time_hours", "less than or equal to 168"),
        ({"rest": "[1]"}, "rest", "enter a JSON object"),
        ({"rest": '{"region": 1}'}, "region", "valid string"),
        ({"rest": '{"name": "x"}'}, "rest", "name has its own field"),
    ],
)
def test_a_refusal_names_its_field(typed: dict[str, str], field: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_task_config({"command": "true"} | typed)
    assert refused.value.field == field
    assert expected in str(refused.value)


def test_a_refused_environment_never_repeats_a_value() -> None:
    for text in ("sk-very-secret", "A=1\nA=sk-very-secret", "=sk-very-secret"):
        with pytest.raises(ConfigError) as refused:
            parse_env(text)
        assert "secret" not in str(refused.value)


def test_a_volume_may_be_named_or_given_by_its_id() -> None:
    assert parse_volumes("data, vol_ab12:/x,") == [{"name": "data"}, {"volume_id": "vol_ab12", "mount_path": "/x"}]


def test_hours_and_sizes_have_units() -> None:
    assert [parse_hours(text) for text in ("", "12", "1.5h", "30 m", "2D")] == [None, 12.0, 1.5, 0.5, 48.0]
    assert [parse_size_gb(text) for text in ("100", "100 GB", "2tb")] == [100, 100, 2048]


def test_nothing_more_is_an_empty_table() -> None:
    assert parse_rest(" ") == {}


def record(config: TaskConfig) -> TaskRecord:
    return TaskRecord(
        "lab", "task_1", f"{config.name}-x1", TaskStatus.FAILED, command=config.command_line, config=config.to_dict()
    )


def test_a_task_can_be_run_again_from_what_it_was_asked_with() -> None:
    config = TaskConfig.parse(
        {
            "name": "llama-x1",
            "unique_name": False,
            "command": "python train.py",
            "instance_type": "4xa100",
            "env": {"A": "x=1"},
            "volumes": [
                {"name": "data", "mount_path": "/data"},
                {"name": "ckpt", "size_gb": 7, "create_if_missing": True},
            ],
            "working_dir": "/w",
            "max_run_time_hours": 12,
            "retries": 2,
            "region": "eu",
        }
    )
    task = TaskRecord("lab", "task_1", "llama-x1", TaskStatus.FAILED, config=config.to_dict())
    preset = make_preset(task)
    assert preset["context"] == "lab"
    assert parse_task_config(preset) == config


def test_a_made_up_name_is_made_up_anew() -> None:
    preset = make_preset(record(TaskConfig(command=["echo", "a b"])))
    assert preset["name"] == ""
    assert preset["command"] == "echo 'a b'"
    assert preset["rest"] == ""


def test_a_task_from_elsewhere_is_run_again_by_what_is_known_of_it() -> None:
    preset = make_preset(TaskRecord("lab", "42", "sbatch-job", TaskStatus.COMPLETED, command="srun x"))
    assert parse_task_config(preset) == TaskConfig(command="srun x", instance_type="cpu")


def test_memory_alone_is_asked_for_as_shorthand() -> None:
    assert make_preset(record(TaskConfig(command="x", min_gpu_memory_gb=40)))["gpu"] == "gpu:40gb"
