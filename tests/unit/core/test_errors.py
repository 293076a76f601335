"""What the message of an error may hold, whatever it quotes."""

from __future__ import annotations

import pytest

from flow_core import ConfigError, FlowError, TaskConfig
from flow_core.errors import CapacityError, ProviderError, TaskTimeout, Unreachable


def test_a_message_that_quotes_control_characters_shows_them_escaped() -> None:
    assert str(ProviderError("gpu1 said \x1b[2J\x07 and \x9b31m")) == "gpu1 said \\x1b[2J\\x07 and \\x9b31m"
    assert str(ConfigError("a\rb", source="task.yaml", line=3)) == "task.yaml:3: a\\rb"


def test_a_word_that_nobody_can_read_is_cut_in_its_middle() -> None:
    assert str(FlowError(f"no alias {'x' * 5000} here")) == f"no alias {'x' * 100}…{'x' * 100} here"
    assert str(FlowError("y" * 400)) == "y" * 400
    with pytest.raises(ConfigError) as refused:
        TaskConfig.from_yaml_text(f"*a{'1' * 4000}", "task.yaml")
    assert len(str(refused.value)) < 600


def test_every_error_says_in_attributes_what_is_known_of_it() -> None:
    for kind in (FlowError, ConfigError, TaskTimeout, ProviderError, CapacityError):
        known = kind("no", field="gpus", status=409, request_id="req_1", retry_after_s=2.5)
        assert (known.field, known.status, known.request_id, known.retry_after_s) == ("gpus", 409, "req_1", 2.5)
        unknown = kind("no")
        assert (unknown.field, unknown.status, unknown.request_id, unknown.retry_after_s) == (None,) * 4


def test_the_reason_of_an_error_leaves_out_the_field_and_the_file() -> None:
    assert Unreachable("ports: 80 is taken", field="ports").reason == "80 is taken"
    assert ConfigError("ports: 80 is taken", field="ports", source="task.yaml", line=3).reason == "80 is taken"
    assert ConfigError("volumes and ports clash", field="ports").reason == "volumes and ports clash"


def test_fields_that_are_wrong_together_name_the_one_to_blame_and_its_line() -> None:
    volumes = [{"name": "one", "mount_path": "/data"}, {"name": "two", "mount_path": "/data"}]
    with pytest.raises(ConfigError, match=r"^mounts /data and /data clash") as refused:
        TaskConfig.parse({"command": "true", "volumes": volumes})
    assert refused.value.field == "volumes"
    with pytest.raises(ConfigError, match="both choose the instance") as refused:
        TaskConfig.from_yaml_text("command: true\nmin_gpu_memory_gb: 40\ninstance_type: a100\n", "task.yaml")
    assert (refused.value.field, refused.value.line) == ("instance_type", 3)
