"""What a person asks for: refused by field name, in words of ours."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import ValidationError
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.task_config import MountSpec, Retries, TaskConfig, VolumeSpec, check_mount_target


@each(
    ("fields", "field", "words"),
    [
        ({}, "command", "required"),
        ({"command": " "}, "command", "must not be empty"),
        ({"command": []}, "command", "must not be empty"),
        ({"command": 5}, "command", "valid string"),
        ({"command": ["a", True]}, "command.1", "valid string"),
        ({"command": ["a", 10**400]}, "command.1", "valid string"),
        ({"command": ["a", ""]}, "command.1", "at least 1 character"),
        ({"command": "a\0b"}, "command", "NUL"),
        ({"command": "x", "name": "Has Capitals"}, "name", "a-z, 0-9"),
        ({"command": "x", "name": "a" * 129}, "name", "at most 128"),
        ({"command": "x", "name": "a\n"}, "name", "a-z, 0-9"),
        ({"command": "x", "nonsense": 1}, "nonsense", "is not a known field"),
        ({"command": "x", "env": {"A-B": "1"}}, "env", "'A-B' is not a variable name"),
        ({"command": "x", "env": {"A": True}}, "env", "the value of A is not text; put quotes around it"),
        ({"command": "x", "env": {"A": None}}, "env", "put quotes around it"),
        ({"command": "x", "env": {"A": [1]}}, "env.A", "valid string"),
        ({"comand": "x"}, "comand", "did you mean command?"),
        ({"gpu_count": 8}, "gpu_count", "write the number into instance_type, such as 8xh100"),
        (
            {"command": "x", "volumes": [{"name": "abc", "size": 1, "mountpath": "/d"}]},
            "volumes.0.mountpath",
            "mount_path",
        ),
        ({"command": "x", "retries": {"max_retry": 1}}, "retries.max_retry", "did you mean max_retries?"),
        ({"command": "x", "retries": {"backoff_coefficient": "2"}}, "retries", "a number from 1 to 10"),
        ({"command": "x", "num_instances": 0}, "num_instances", "greater than or equal to 1"),
        ({"command": "x", "max_price_per_hour": float("inf")}, "max_price_per_hour", "finite"),
        ({"command": "x", "max_price_per_hour": float("nan")}, "max_price_per_hour", "finite"),
        ({"command": "x", "max_run_time_hours": 169}, "max_run_time_hours", "168"),
        ({"command": "x", "priority": "urgent"}, "priority", "'low', 'med' or 'high'"),
        ({"command": "x", "volumes": [{"name": "ab"}]}, "volumes.0.name", "3 to 64"),
        ({"command": "x", "volumes": [{}]}, "volumes.0", "needs a name, a volume_id, or a size_gb"),
        ({"command": "x", "volumes": [{"name": "abc", "mount_path": "data"}]}, "volumes.0.mount_path", "absolute"),
        ({"command": "x", "data_mounts": [{"source": "", "target": "/a"}]}, "data_mounts.0.source", "at least 1"),
        ([], None, "dictionary"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(fields: Any, field: str | None, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        TaskConfig.parse(fields, source="task.yaml")
    assert refused.value.field == field
    assert words in str(refused.value)
    assert str(refused.value).startswith("task.yaml: ")


@each(("old", "new"), [("gpu", "instance_type"), ("environment", "env"), ("timeout", "max_run_time_hours")])
def test_the_error_of_a_retired_field_names_the_new_one(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=f"'{old}' is now called '{new}'"):
        TaskConfig.parse({"command": "x", old: "1"})


def test_numbers_and_paths_stand_where_text_does() -> None:
    config = TaskConfig(
        command=["python3", Path("train.py"), "--epochs", 10, "--lr", 0.5],
        env={"EPOCHS": 10, "RATE": 0.5, "DATA": Path("/data")},
        working_dir=Path("/work"),
        ssh_keys=[Path("/keys/a.pub")],
        volumes=[{"name": "abc", "mount_path": PurePosixPath("/vol")}],
        data_mounts=[{"source": Path("/src"), "target": Path("/dst")}],
    )
    assert config.command == ["python3", "train.py", "--epochs", "10", "--lr", "0.5"]
    assert config.env == {"EPOCHS": "10", "RATE": "0.5", "DATA": "/data"}
    assert (config.working_dir, config.ssh_keys) == ("/work", ["/keys/a.pub"])
    assert (config.volumes[0].mount_path, config.data_mounts[0].source) == ("/vol", "/src")


def test_a_task_file_keeps_numbers_of_its_environment_as_they_are_written() -> None:
    config = TaskConfig.from_yaml_text(
        "command: [python, train.py, --lr, 1e-4, --version, 1.10]\n"
        "env: {VERSION: 1.10, MODE: 0755, DAY: 2026-03-01, DEBUG: yes, PORT: 8080, EMPTY: ''}\n"
        "num_instances: 2\n"
    )
    assert config.command == ["python", "train.py", "--lr", "1e-4", "--version", "1.10"]
    assert config.env == {
        **{"VERSION": "1.10", "MODE": "0755", "DAY": "2026-03-01", "DEBUG": "yes", "PORT": "8080", "EMPTY": ""}
    }
    assert config.num_instances == 2
    with pytest.raises(ConfigError, match="the value of NOTHING is not text; put quotes around it") as refused:
        TaskConfig.from_yaml_text("command: x\nenv:\n  NOTHING:\n", "task.yaml")
    assert refused.value.line == 2


def test_fields_of_the_published_sdk_without_meaning_here_are_named_and_ignored() -> None:
    with pytest.warns(UserWarning, match=r"TaskConfig: placement, web_endpoint: without meaning here") as warned:
        config = TaskConfig(command="x", placement="auto", web_endpoint=True, min_containers=None)
    assert config == TaskConfig(command="x")
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match="workload_type"):
        TaskConfig.from_yaml_text("command: x\nworkload_type: batch\n")


def test_the_published_words_for_retries_and_volumes_are_read() -> None:
    assert Retries(max_retries=2, backoff_seconds=7) == Retries(max_retries=2, delay_s=7)
    assert Retries.fixed(4, delay=2) == Retries(max_retries=4, mode="fixed", delay_s=2)
    assert Retries.exponential(2, initial=1) == Retries(max_retries=2, mode="exponential", delay_s=1)
    assert Retries.exponential(max_delay=9).max_delay_s == 9
    assert Retries(initial_delay=1, backoff_coefficient=1, max_delay=60).mode == "fixed"
    assert VolumeSpec(volume_name="data", mount_path="/d") == VolumeSpec(name="data", mount_path="/d")
    assert VolumeSpec(volume_name="data", size=5) == VolumeSpec(name="data", size_gb=5)
    assert TaskConfig.from_command(["true"], num_instances=2) == TaskConfig(command=["true"], num_instances=2)


def test_a_refusal_does_not_repeat_the_values_of_the_environment() -> None:
    with pytest.raises(ConfigError) as refused:
        TaskConfig.parse({"command": "x", "env": {"KEY": "hunter2\0", "OTHER": "hunter3"}})
    assert "hunter" not in str(refused.value)
    assert refused.value.__cause__ is None


@each(
    "path",
    ["/usr", "/etc/", "//dev", "/usr/./bin", "/", "//", "///", "/.", "data", "", "/a/../b", "/a\nb", "/a\x1b[1m"],
)
def test_a_path_that_is_no_place_of_its_own_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_mount_target(path)


def test_a_mount_path_is_made_plain() -> None:
    assert check_mount_target("//data//set/./x/") == "/data/set/x"


def test_two_mounts_may_not_lie_in_each_other() -> None:
    mounts = [{"source": "a", "target": "/data"}, {"source": "b", "target": "/data/deep"}]
    with pytest.raises(ConfigError, match="mounts /data and /data/deep clash"):
        TaskConfig.parse({"command": "x", "data_mounts": mounts})
    with pytest.raises(ConfigError, match="clash"):
        TaskConfig.parse(
            {"command": "x", "volumes": [{"name": "abc", "mount_path": "/data"}], "data_mounts": mounts[:1]}
        )
    mounts[1]["target"] = "/database"
    assert len(TaskConfig.parse({"command": "x", "data_mounts": mounts}).data_mounts) == 2


def test_a_zero_time_limit_means_no_limit() -> None:
    assert TaskConfig.parse({"command": "x", "max_run_time_hours": 0}).max_run_time_hours is None


def test_a_list_of_words_becomes_one_shell_line() -> None:
    assert TaskConfig(command=["echo", "a b", "$HOME"]).command_line == "echo 'a b' '$HOME'"
    assert TaskConfig(command="echo $HOME").command_line == "echo $HOME"


def test_a_volume_has_a_default_mount_path() -> None:
    assert VolumeSpec(name="data").target == "/volumes/data"
    assert VolumeSpec(volume_id="vol-1").target == "/volumes/vol-1"
    assert VolumeSpec(name="data", mount_path="/d").target == "/d"


def test_a_config_is_frozen_and_reads_back_from_its_dict() -> None:
    config = TaskConfig(command="x", volumes=[VolumeSpec(name="abc")], data_mounts=[MountSpec(source="a", target="/a")])
    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"
    assert TaskConfig.parse(config.model_dump()) == config


def test_a_value_whose_absence_means_something_else_is_written() -> None:
    config = TaskConfig.parse(
        {
            "command": "x",
            "volumes": [{"name": "data", "size_gb": 5, "create_if_missing": False}],
            "data_mounts": [{"source": "s3://b/k", "target": "/d", "mount_type": "bind"}],
        }
    )
    assert TaskConfig.parse(config.to_dict()) == config
    assert TaskConfig.from_yaml_text(config.to_yaml()) == config


@each("value", ["2026-03-01", "!!binary gIGC", ".nan", "!!set {a, b}"])
def test_options_hold_only_what_can_be_kept(value: str) -> None:
    for text in (
        f"command: x\nprovider_options: {{slurm: {{a: {value}}}}}",
        f"command: x\ndata_mounts: [{{source: s3://b, target: /d, options: {{a: {value}}}}}]",
    ):
        with pytest.raises(ConfigError, match="text, numbers, lists and tables only") as refused:
            TaskConfig.from_yaml_text(text)
        assert refused.value.line == 2


@each(
    "image",
    [
        *("ubuntu", "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime", "nvcr.io/nvidia/pytorch:24.05-py3"),
        *("0123456789ab", "localhost:5000/a/b_c:1", "[::1]:5000/x", "docker.io/library/a--b"),
        f"ghcr.io/owner/name:v1.2@sha256:{'0' * 64}",
    ],
)
def test_an_image_is_taken_as_docker_writes_it(image: str) -> None:
    assert TaskConfig(command="x", image=image).image == image


@each(
    "image",
    [
        *("--volume=/:/host", "-v", "a b", "a/../b", "/etc/passwd", "a//b", "a:", "a@sha256:1", "A/b:c:d"),
        *("a;b", "$(x)", "é", "a" * 513),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(image: str) -> None:
    with pytest.raises(ConfigError, match=r"is no image; write one such as pytorch/pytorch:2\.9\.0") as refused:
        TaskConfig.parse({"command": "x", "image": image})
    assert refused.value.field == "image"
