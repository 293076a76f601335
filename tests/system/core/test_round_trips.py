"""Configs that can be meant: written and read they are the same, and submitted they are a whole task or nothing."""

from __future__ import annotations

import math
import os
import string
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from testbed.sentences import is_a_sentence

from flow_core import ConfigError, Flow, FlowError, TaskConfig
from flow_core.config import Context

BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(BOUNDED, max_examples=25)

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
PLAIN = st.text(string.ascii_letters + string.digits + "-_ é漢", min_size=1, max_size=12).filter(str.strip)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(lambda name: not name.startswith("inst_"))
VOLUME_NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{1,10}[a-z0-9]", fullmatch=True)
HOURS = st.floats(0.1, 168)
OPTIONS = st.dictionaries(
    WORDS, st.none() | st.booleans() | st.integers(-9, 9) | WORDS | st.lists(WORDS, max_size=2), max_size=3
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "unique_name": st.booleans(),
    "idempotency_key": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True),
    "instance_type": st.sampled_from(["a100", "4xh100", "gpu:40gb", "cpu", "it_RrgkIZz6c9BZu5gi", ["8xh100", "cpu"]]),
    "min_cpus": st.integers(1, 9),
    "num_instances": st.integers(1, 3),
    "streams": st.sampled_from(["separate", "merged"]),
    "distributed_mode": st.sampled_from(["auto", "manual"]),
    "k8s": PLAIN,
    "image": PLAIN,
    "env": st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), WORDS | st.just(""), max_size=3
    ),
    "working_dir": PLAIN,
    "volumes": st.lists(
        st.fixed_dictionaries(
            {"name": VOLUME_NAMES, "interface": st.just("file")},
            optional={"size_gb": st.integers(1, 99), "iops": st.just(100)},
        ),
        max_size=2,
        unique_by=lambda volume: volume["name"],
    ),
    "data_mounts": st.lists(
        st.fixed_dictionaries(
            {"source": PLAIN, "target": VOLUME_NAMES.map("/mnt/{}".format)}, optional={"options": OPTIONS}
        ),
        max_size=2,
        unique_by=lambda mount: mount["target"],
    ),
    "ports": st.lists(st.integers(1024, 65535), max_size=3),
    "retries": st.integers(0, 10) | st.fixed_dictionaries({"delay_s": st.floats(0, 10)}),
    "max_price_per_hour": st.floats(0.01, 1e6),
    "max_run_time_hours": HOURS,
    "ssh_keys": st.lists(WORDS, max_size=2),
    "allocation_mode": st.sampled_from(["spot", "reserved", "auto"]),
    "scheduled_start_time": st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(
        lambda when: when.replace(tzinfo=UTC)
    ),
    "region": PLAIN,
    "priority": st.sampled_from(["low", "med", "high"]),
    "code_root": PLAIN,
    "dev_vm": st.booleans(),
    "after": st.lists(NAMES, max_size=2),
    "array": st.just("0-9"),
    "provider_options": st.dictionaries(st.sampled_from(["slurm", "mithril"]), OPTIONS, max_size=2),
}
CONFIGS = st.fixed_dictionaries(
    {"command": WORDS.filter(str.strip) | st.lists(WORDS, min_size=1, max_size=3)}, optional=FIELDS
)


def config_of(fields: dict[str, Any]) -> TaskConfig:
    try:
        return TaskConfig.parse(fields)
    except ConfigError:
        assume(False)
        raise


@given(CONFIGS)
@BOUNDED
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


@given(CONFIGS.map(lambda fields: fields | {"command": "true", "idempotency_key": None}))
@FEW
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
