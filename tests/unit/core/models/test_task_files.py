"""Task files and the config file: any text is read, or refused with file, line and field."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.sentences import is_a_sentence
from testbed.tables import each

from flow_core import ConfigError, TaskConfig
from flow_core.config_file import load_config

SOUND = """\
name: train
command: |
  set -e
  python train.py
instance_type: 8xh100
num_instances: 2
env: {SEED: "1", MODE: fast}
volumes:
  - name: data
    mount_path: /data
    interface: file
data_mounts:
  - {source: s3://bucket/key, target: /models}
retries: {max_retries: 2, mode: exponential}
ports: [8080, 6006]
max_run_time_hours: 12
provider_options:
  slurm: {partition: gpu, qos: high}
"""
PIECES = st.sampled_from(
    [
        *(
            "&a ",
            "*a",
            "<<: *a\n",
            "!!python/object:os.system ",
            "!!python/name:os.system\n",
            "!!binary ",
            "!!set ",
            "!x ",
        ),
        *(
            "? ",
            "- ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "|",
            ">",
            "'",
            '"',
            "#",
            "%YAML 9.9\n",
            "---\n",
            "...\n",
            "\t",
            "\0",
            "\x85",
        ),
        *("2026-13-01", "2026-01-01T00:00:00+99:99", "1" * 5000, "0x", "1e999", ".inf", ".nan", "~", "=", "60:60:60.5"),
        *("name: again\n", "\ufeff", "\ud800", "\U0001f600", "[" * 500, "{a: " * 500, "- " * 500, "\n  ", "\r\n"),
    ]
)


@given(st.text(max_size=200) | st.lists(PIECES | st.text(string.printable, max_size=8), max_size=20).map("".join))
@limit_examples(25)
def test_any_text_is_a_task_file_or_refused(text: str) -> None:
    read_or_refused(text)


@given(
    st.lists(
        st.tuples(st.integers(0, len(SOUND)), st.integers(0, 3), PIECES | st.text(max_size=3)), min_size=1, max_size=4
    )
)
@limit_examples(25)
def test_a_task_file_that_was_damaged_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    text = SOUND
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    read_or_refused(text)


@given(
    st.text(max_size=200)
    | st.lists(PIECES | st.sampled_from(["contexts:\n", "  lab: {provider: local}\n"])).map("".join)
)
@limit_examples(10)
def test_any_text_is_a_config_with_its_problems_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    config = load_config(path)
    assert config.context("local").provider == "local"
    assert all(is_a_sentence(problem) for problem in config.problems), config.problems


def read_or_refused(text: str) -> None:
    try:
        read = TaskConfig.from_yaml_text(text, "task.yaml")
    except ConfigError as error:
        refused = error
    else:
        assert TaskConfig.from_yaml_text(read.to_yaml()) == read
        return
    assert is_a_sentence(refused), str(refused)
    assert refused.source == "task.yaml"
    assert refused.line is None or 1 <= refused.line <= len(text.splitlines()) + 1


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MERGES = "m0: &m0 {k: v}\n" + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40))


@each(
    ("text", "expected"),
    [
        (BOMB, "holds more than 100000 values"),
        (MERGES, "holds more than 100000 values"),
        ("command: &a [*a]", "an alias in it contains itself"),
        ("command: x\nprovider_options: &a {slurm: *a}", "an alias in it contains itself"),
        ("command: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("command: x\nenv: {A: b}\nenv: {C: d}", r"task\.yaml:3: env: is given twice, first in line 2"),
        ("command: x\nvolumes: [{name: abc, name: abd}]", "name: is given twice"),
        ("{a: " * 3000, "nested too deeply"),
        ("[" * 3000, "nested too deeply"),
        ("- x", "must hold a table"),
        ("just text", "must hold a table"),
        ("command: x\n---\ncommand: y", "found another document"),
        ("command: x\nsize: " + "9" * 5000, "can't be read"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_a_malicious_file_is_refused_at_once(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as refused:
        TaskConfig.from_yaml_text(text, "task.yaml")
    assert is_a_sentence(refused.value)


def test_aliases_and_merge_keys_are_read() -> None:
    text = "command: x\nprovider_options:\n  slurm: &s {qos: high}\n  other: {<<: *s, more: 1}\n  third: *s\n"
    options = TaskConfig.from_yaml_text(text).provider_options
    assert options == {"slurm": {"qos": "high"}, "other": {"qos": "high", "more": 1}, "third": {"qos": "high"}}


DAMAGE = [
    ("name: train", "name: Train!", "name"),
    ("instance_type: 8xh100", "instance_type: 8xh100x8", "instance_type"),
    ("num_instances: 2", "num_instances: 0", "num_instances"),
    ("num_instances: 2", "num_instances: two", "num_instances"),
    ("num_instances: 2", "gpu_count: 2", "gpu_count"),
    ("num_instances: 2", "num_instance: 2", "num_instance"),
    ('env: {SEED: "1", MODE: fast}', "env: {SEED: [1]}", "env.SEED"),
    ("  - name: data", "  - name: da", "volumes.0.name"),
    ("    mount_path: /data", "    mount_path: data", "volumes.0.mount_path"),
    ("    interface: file", "    interface: tape", "volumes.0.interface"),
    ("    interface: file", "    tape: file", "volumes.0.tape"),
    ("retries: {max_retries: 2, mode: exponential}", "retries: {max_retries: 99}", "retries.max_retries"),
    ("ports: [8080, 6006]", "ports: [8080, 80]", "ports.1"),
    ("  - {source: s3://bucket/key, target: /models}", "  - {source: s3://bucket/key}", "data_mounts.0.target"),
    ("max_run_time_hours: 12", "max_run_time_hours: .inf", "max_run_time_hours"),
    ("  slurm: {partition: gpu, qos: high}", "  slurm: 5", "provider_options.slurm"),
]


@each(("line", "damaged", "field"), DAMAGE)
@each("above", [0, 1, 5])
def test_what_is_wrong_in_a_file_is_said_with_file_line_and_field(
    line: str, damaged: str, field: str, above: int, tmp_path: Path
) -> None:
    lines = SOUND.splitlines()
    number = lines.index(line)
    lines[number] = damaged
    path = tmp_path / "task.yaml"
    path.write_text("\n" * above + "\n".join(lines) + "\n")
    with pytest.raises(ConfigError) as refused:
        TaskConfig.from_yaml(path)
    assert (refused.value.field, refused.value.line) == (field, above + number + 1)
    assert str(refused.value).startswith(f"{path}:{above + number + 1}: {field}: ")


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "task.yaml")
    with pytest.raises(ConfigError, match="is not a file"):
        TaskConfig.from_yaml(tmp_path / "task.yaml")
