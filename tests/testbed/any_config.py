"""Configs that can be meant, made by hypothesis."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from flow_core import ConfigError, TaskConfig

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
