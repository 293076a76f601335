"""Files in which somebody put something else: nothing blocks, nothing is read without a limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.agent.regular_files import TooLarge, parse_json, read_regular_file, read_start
from flow_core.config_file import load_config
from flow_core.errors import ConfigError
from flow_core.models.yaml_file import read_text
from flow_tui.themes import load_themes


def test_a_file_is_read_up_to_its_limit_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3000)
    assert read_regular_file(path, 3000) == b"x" * 3000
    assert read_start(path, 10) == b"x" * 10
    with pytest.raises(TooLarge, match="it is larger than 2 KB"):
        read_regular_file(path, 2048)
    with path.open("r+b") as huge:
        huge.truncate(1 << 40)
    with pytest.raises(TooLarge, match="it is larger than 16 MB"):
        read_regular_file(path)


@each("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "[1e999]", "-Infinity", "9" * 400, "9" * 5000, "\ufeff1", ""])
def test_unusable_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_valid_json_is_read_unchanged() -> None:
    assert parse_json(b'{"a": [1.5, -3, 1800000000000000, true, null]}') == {
        "a": [1.5, -3, 1_800_000_000_000_000, True, None]
    }


@pytest.mark.parametrize("by_environment", [True, False])
def test_a_pipe_as_the_config_is_a_problem_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    monkeypatch.setenv("FLOW_CONFIG", str(pipe))
    config = load_config() if by_environment else load_config(pipe)
    assert [str(problem) for problem in config.problems] == [f"{pipe}: can't be read: it is a pipe, not a file"]
    assert [context.name for context in config.contexts] == ["local"]


def test_a_config_of_20_mb_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("contexts:\n" + "".join(f"  h{n}: {{provider: local}}\n" for n in range(800_000)))
    config = load_config(file)
    assert [str(problem) for problem in config.problems] == [f"{file}: can't be read: it is larger than 256 KB"]


def test_a_pipe_as_a_task_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    pipe = tmp_path / "task.yaml"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is not a file: it is a pipe"):
        read_text(pipe)


def test_a_pipe_as_a_theme_is_a_problem_in_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.yaml")
    _, problems = load_themes(tmp_path)
    assert [str(one) for one in problems] == [f"{tmp_path}/mine.yaml: can't be read: it is a pipe, not a file"]
