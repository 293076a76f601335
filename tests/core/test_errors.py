"""What the message of an error may hold, whatever it quotes."""

from __future__ import annotations

import pytest

from flow_core import ConfigError, FlowError, TaskConfig
from flow_core.errors import ProviderError


def test_a_message_that_quotes_control_characters_shows_them_escaped() -> None:
    assert str(ProviderError("gpu1 said \x1b[2J\x07 and \x9b31m")) == "gpu1 said \\x1b[2J\\x07 and \\x9b31m"
    assert str(ConfigError("a\rb", source="task.yaml", line=3)) == "task.yaml:3: a\\rb"


def test_a_word_that_nobody_can_read_is_cut_in_its_middle() -> None:
    assert str(FlowError(f"no alias {'x' * 5000} here")) == f"no alias {'x' * 100}…{'x' * 100} here"
    assert str(FlowError("y" * 400)) == "y" * 400
    with pytest.raises(ConfigError) as refused:
        TaskConfig.from_yaml_text(f"*a{'1' * 4000}", "task.yaml")
    assert len(str(refused.value)) < 600
