from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from testbed.places import ROOT

from flow_core.config_file import load_config
from flow_core.models.task_config import TaskConfig
from flow_tui.action_table import ACTIONS
from flow_tui.terminal.prefix import PREFIX_KEYS
from flow_tui.themes import load_themes

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_page_of_keys_lists_every_action_and_no_other() -> None:
    page = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\|.*\| `([a-z_]+\.[a-z_]+)` \|$", page, re.MULTILINE)
    assert listed == [action.id for action in ACTIONS]
    for action in ACTIONS:
        assert action.tooltip in page


def test_the_page_of_keys_lists_what_comes_after_the_prefix() -> None:
    page = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    table = page.partition("| after `ctrl+]` | does |")[2].partition("\n\n")[0]
    listed = {key for row in table.splitlines()[2:] for key in re.findall(r"`(.)`", row.split("|")[1])}
    assert listed == {row.key for row in PREFIX_KEYS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_section_leads_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [f"{target}#{name}" for target, name in links if name not in section_names(page, target)] == []


def section_names(page: Path, target: str) -> set[str]:
    """The names by which links reach the sections of a page: the headings in small letters, with "-" for blanks."""
    text = (page.parent / target if target else page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_page_of_the_sdk_lists_every_field_of_a_task_once() -> None:
    page = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
    table = page.partition("## The fields of a TaskConfig\n")[2].partition("\n## ")[0]
    rows = [row.split(" |")[0] for row in table.splitlines() if row.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(TaskConfig.model_fields)


def test_the_configuration_in_the_readme_is_one_that_loads_without_a_problem(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config = load_config(file)
    assert config.problems == ()
    assert config.dashboard["theme"] in {theme.name for theme in load_themes()[0]}
    assert set(config.dashboard["keys"]) <= {action.id for action in ACTIONS}


def test_the_theme_in_the_docs_is_one_that_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "themes.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(text)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_themes(tmp_path)[1] == ()
