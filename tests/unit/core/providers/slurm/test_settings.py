"""The settings of a Slurm context: what they mean, and which of them can't be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed.tables import each

from flow_core.config_file import load_config
from flow_core.errors import ConfigError
from flow_core.providers.slurm.config_schema import SlurmConfigSchema
from flow_core.providers.slurm.settings import (
    SETTINGS,
    LoginHost,
    SlurmSettings,
    find_problems,
    parse_settings,
    usable_settings,
)


@each(
    "settings, parsed",
    [
        ({}, SlurmSettings()),
        ({"host": None, "partition": None}, SlurmSettings()),
        ({"host": "lab"}, SlurmSettings(host=LoginHost("lab"))),
        ({"host": "me@lab"}, SlurmSettings(host=LoginHost("lab", user="me"))),
        ({"host": {"hostname": "10.0.0.7"}}, SlurmSettings(host=LoginHost("10.0.0.7", hostname="10.0.0.7"))),
        (
            {"host": {"name": "lab", "hostname": "x", "user": "me", "port": 2222, "ssh_config": "/etc/lab"}},
            SlurmSettings(host=LoginHost("lab", "x", "me", 2222, Path("/etc/lab"))),
        ),
        ({"account": 12345, "partition": ["a", "b"]}, SlurmSettings(account="12345", partition="a,b")),
        ({"partition": "gpu,debug", "qos": "high"}, SlurmSettings(partition="gpu,debug", qos="high")),
        ({"constraint": "[a*2&b*1]|c"}, SlurmSettings(constraint="[a*2&b*1]|c")),
        ({"folder": "/scratch/me/flow/"}, SlurmSettings(folder="/scratch/me/flow")),
        (
            {"bin_dir": "~/slurm/bin", "slurm_conf": "/x y/slurm.conf"},
            SlurmSettings(bin_dir="~/slurm/bin", slurm_conf="/x y/slurm.conf"),
        ),
        ({"poll_s": 30, "history_days": 0}, SlurmSettings(poll_s=30.0, history_days=0.0)),
        ({"container": "none", "attach": "ssh"}, SlurmSettings(container="none", attach="ssh")),
        (
            {"paths": ["/scratch", "$WORK/me", "~/data", "~"]},
            SlurmSettings(paths=("/scratch", "$WORK/me", "~/data", "~")),
        ),
        ({"paths": "/scratch"}, SlurmSettings(paths=("/scratch",))),
        ({"login_timeout_s": 9}, SlurmSettings(login_timeout_s=9.0)),
        (
            {"rest_url": "http://login:6820/", "rest_user": "me"},
            SlurmSettings(rest_url="http://login:6820", rest_user="me"),
        ),
    ],
)
def test_settings_of_each_form_are_read(settings: dict[str, Any], parsed: SlurmSettings) -> None:
    assert parse_settings(settings) == parsed
    assert find_problems(settings) == ()
    assert usable_settings(settings).problems == ()


UNUSABLE = [
    ("host", 5),
    ("host", ""),
    ("host", []),
    ("host", {}),
    ("host", {"user": "me"}),
    ("host", "-oProxyCommand=touch x"),
    ("host", "-l@lab"),
    ("host", "lab;id"),
    ("host", {"name": "lab", "port": 0}),
    ("host", {"name": "lab", "port": True}),
    ("host", {"name": "lab", "password": "x"}),
    ("host", {"name": "lab", "user": "-oX=y"}),
    ("host", {"name": "lab", "hostname": 7}),
    ("host", {"name": "lab", "ssh_config": "~no-such-user/config"}),
    ("cluster", "a,b"),
    ("partition", "a b"),
    ("partition", ["a", ["b"]]),
    ("partition", {"a": 1}),
    ("account", True),
    ("qos", "x\x1b[31m"),
    ("constraint", "a\nb"),
    ("folder", "flow"),
    ("folder", "/x/../y"),
    ("folder", "~root/x"),
    ("bin_dir", "bin"),
    ("poll_s", 0.01),
    ("poll_s", "often"),
    ("poll_s", float("nan")),
    ("history_days", -1),
    ("container", "docker"),
    ("attach", ["srun"]),
    ("paths", ["relative"]),
    ("paths", 5),
    ("login_timeout_s", 0),
    ("rest_url", "login:6820"),
    ("rest_url", "http://me:secret@login:6820"),
    ("rest_url", "http://[x"),
    ("rest_url", "http://login:port"),
    ("rest_user", "a b"),
    ("rest_token_file", "~no-such-user/token"),
]


@each("name, value", UNUSABLE)
def test_a_setting_that_can_not_be_used_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_settings({name: value})
    assert refused.value.field == name
    assert str(refused.value).startswith(f"{name}: ")
    assert str(refused.value).isprintable()
    assert find_problems({name: value}) == (str(refused.value),)


@each("name, value", [row for row in UNUSABLE if row[0] not in ("host", "cluster")])
def test_a_context_works_without_a_setting_that_can_not_be_used(name: str, value: Any) -> None:
    usable = usable_settings({"host": "lab", name: value})
    assert usable.settings == {"host": "lab"}
    assert [problem.path for problem in usable.problems] == [name]


@each("name, value", [row for row in UNUSABLE if row[0] in ("host", "cluster")])
def test_a_mistyped_host_or_cluster_never_leads_to_another_cluster(name: str, value: Any) -> None:
    assert usable_settings({name: value, "partition": "gpu"}).settings is None


def test_several_problems_are_all_reported() -> None:
    problems = find_problems({"poll_s": 0, "attach": "telnet", "colour\x1b": "red"})
    assert len(problems) == 3
    assert all(problem.isprintable() for problem in problems)


def test_the_form_knows_each_setting() -> None:
    fields = SlurmConfigSchema().config_fields()
    assert sorted(field.name for field in fields) == sorted(SETTINGS)
    assert SlurmConfigSchema().validate_config({"host": "lab"}) == ()


def test_a_file_reports_the_line_of_a_mistyped_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("contexts:\n  campus:\n    provider: slurm\n    host: lab\n    poll_s: often\n    pollrate: 5\n")
    config = load_config(file)
    assert config.context("campus").settings == {"host": "lab", "pollrate": 5}
    assert sorted((problem.field, problem.line) for problem in config.problems) == [
        ("contexts.campus.poll_s", 5),
        ("contexts.campus.pollrate", 6),
    ]
