"""When a context of Slurm exists although no config file has one, and where it leads."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.config import Context
from flow_core.config_file import load_config
from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers import open_provider, takes_batch_scripts


def _put_sbatch_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands never answer: reading the config must not call them."""
    sbatch = folder / "sbatch"
    sbatch.write_text("#!/bin/sh\nexec sleep 1000\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"relative:/no/such/folder:{folder}")


def _list_contexts() -> list[str]:
    return [context.name for context in load_config().contexts]


@each(
    "value, has_sbatch, exists",
    [
        (None, False, False),
        (None, True, True),
        ("", False, False),
        ("", True, True),
        ("none", True, False),
        ("none", False, False),
        ("local", False, True),
        ("lab", False, True),
        ("me@lab", True, True),
    ],
)
def test_a_login_node_or_sbatch_makes_a_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, has_sbatch: bool, exists: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("FLOW_SLURM", raising=False)
    if value is not None:
        monkeypatch.setenv("FLOW_SLURM", value)
    if has_sbatch:
        _put_sbatch_on_path(tmp_path, monkeypatch)
    assert ("slurm" in _list_contexts()) == exists


def test_the_context_is_never_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_SLURM", "lab")
    _put_sbatch_on_path(tmp_path, monkeypatch)
    assert load_config().default == "local"
    assert load_config().context().name == "local"


def test_a_command_of_the_context_may_be_a_batch_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_SLURM", "lab")
    assert takes_batch_scripts(load_config().context("slurm"))


@each(
    "value, context, title",
    [
        ("lab", Context("slurm", "slurm"), "login node 'lab'"),
        ("local", Context("slurm", "slurm"), "this machine"),
        ("none", Context("slurm", "slurm"), "this machine"),
        ("lab", Context("slurm", "slurm", {"host": "campus"}), "login node 'campus'"),
        ("lab", Context("other", "slurm"), "this machine"),
    ],
)
def test_the_variable_names_the_login_node_of_that_context_alone(
    monkeypatch: pytest.MonkeyPatch, value: str, context: Context, title: str
) -> None:
    monkeypatch.setenv("FLOW_SLURM", value)
    provider = open_provider(context)
    task = TaskRecord(context.name, "7", "train", TaskStatus.RUNNING)
    assert title in provider.describe_cancel(task)
    assert (provider.endpoints is None) == (title == "this machine")


def test_a_variable_that_names_no_host_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_SLURM", "-oProxyCommand=touch x")
    with pytest.raises(ConfigError, match="is not a host name") as refused:
        open_provider(load_config().context("slurm"))
    assert refused.value.field == "host"
