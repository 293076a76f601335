"""docs/configuration.md lists every setting, option and environment variable that the code knows."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.source_files import FILES

from flow_core.config_file import load_config
from flow_core.providers.contract.config_schema import IProviderInit
from flow_core.providers.hosts.config_schema import HostsConfigSchema
from flow_core.providers.hosts.machine_settings import Machine
from flow_core.providers.local.config_schema import LocalConfigSchema
from flow_core.providers.mithril.config_schema import MithrilConfigSchema
from flow_core.providers.mithril.settings import ENVIRONMENT
from flow_core.providers.slurm.config_schema import SlurmConfigSchema
from flow_core.providers.slurm.settings import LoginHost
from flow_tui.arguments import Arguments
from flow_tui.own_settings import read_own_settings
from flow_tui.terminal.core_loader import CHOICE_VARIABLE

PARTS: dict[type, Any] = {HostsConfigSchema: Machine, SlurmConfigSchema: LoginHost}
"""The machines in the settings of a provider, whose fields have a table of their own."""
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
READ_VARIABLE = re.compile(r'os\.environ(?:\.get\(|\[)"((?:FLOW|MITHRIL)_[A-Z_]+)"')


def section(title: str) -> str:
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def first_column(text: str) -> list[str]:
    """The names in the first column of the tables in a text; a cell may have several."""
    rows = [line.split(" |")[0] for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`, ]+)", row)]


@pytest.mark.parametrize(
    ("title", "schema"),
    [
        ("Settings of a local context", LocalConfigSchema()),
        ("Settings of a context of hosts", HostsConfigSchema()),
        ("Settings of a context of a Slurm cluster", SlurmConfigSchema()),
        ("Settings of a context of the Mithril cloud", MithrilConfigSchema()),
    ],
)
def test_the_page_lists_every_setting_of_a_provider(title: str, schema: IProviderInit) -> None:
    names = [field.name for field in schema.config_fields()]
    part = PARTS.get(type(schema))
    machine = [field.name for field in fields(part)] if part is not None else []
    assert sorted(first_column(section(title))) == sorted([*names, *machine])


def test_the_page_names_the_variable_of_each_setting_of_the_cloud() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section("Settings of a context of the Mithril cloud"), re.M))
    assert rows == ENVIRONMENT


def test_the_page_lists_every_setting_of_the_dashboard(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("dashboard: {no_such_setting: 1}", encoding="utf-8")
    (problem,) = read_own_settings(load_config(file), ()).problems
    known = str(problem).rpartition(": ")[2].split(", ")
    assert first_column(section("Settings of the dashboard")) == known


def test_the_page_lists_every_option() -> None:
    listed = {name.removeprefix("--").replace("-", "_") for name in first_column(section("Options of flow-tui"))}
    options = {"context" if name == "contexts" else name for name in Arguments._fields}
    assert listed == options | {"version", "_h", "help"}


def test_the_page_lists_every_variable_that_the_code_reads() -> None:
    read = {name for file in FILES for name in READ_VARIABLE.findall(file.read_text(encoding="utf-8"))}
    listed = first_column(section("Environment variables"))
    assert own(listed) == own({*read, *ENVIRONMENT.values(), CHOICE_VARIABLE})


def own(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(("FLOW_", "MITHRIL_")))


def test_the_configuration_on_the_page_loads_without_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(PAGE.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    config = load_config(file)
    assert config.problems == ()
    assert {context.provider for context in config.contexts} >= {"local", "hosts", "slurm", "mithril"}
    assert read_own_settings(config, ("flow-light",)).problems == ()
