"""A config that is written as YAML and read again is the same."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from testbed.any_config import CONFIGS, config_of
from testbed.properties import limit_examples

from flow_core import ConfigError, TaskConfig


@given(CONFIGS)
@limit_examples(25)
def test_a_config_reads_back_from_its_yaml_as_the_same(fields: dict[str, Any]) -> None:
    config = config_of(fields)
    assert TaskConfig.from_yaml_text(config.to_yaml()) == config
    assert TaskConfig.parse(config.to_dict()) == config


def test_values_of_every_kind_survive_in_free_tables() -> None:
    options = {"list": (1, 2.5, None, True), "text": "yes", "day": "2026-01-02", "multi": "a\n b\n"}
    config = TaskConfig.parse({"command": "x", "provider_options": {"slurm": options}})
    assert config.provider_options["slurm"] == {**options, "list": [1, 2.5, None, True]}
    assert TaskConfig.from_yaml_text(config.to_yaml()) == config
    for value in (b"x", date(2026, 1, 2), {1, 2}, math.nan, math.inf, 10**400, object()):
        with pytest.raises(ConfigError, match=r"provider_options\.slurm"):
            TaskConfig.parse({"command": "x", "provider_options": {"slurm": {"key": value}}})
