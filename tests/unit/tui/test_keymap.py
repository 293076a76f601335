"""The actions of the registry are the only source of keys."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter

import pytest
from testbed.bare_services import KEYS

from flow_tui.action_table import ACTIONS
from flow_tui.actions import LazyModule
from flow_tui.panes.registry import PANES
from flow_tui.screens import app_actions

NOUNS = sorted({action.noun for action in ACTIONS})


def test_every_action_has_an_id_of_its_own() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_every_action_is_one_of_the_app_or_of_the_pane_that_lists_it() -> None:
    for pane in PANES:
        assert {action.noun for action in pane.actions} <= {pane.noun}
        assert pane.noun == pane.load().NOUN


@pytest.mark.parametrize("noun", NOUNS)
def test_a_key_means_one_thing_in_a_pane(noun: str) -> None:
    keys = Counter(key for action in KEYS.of(noun) for key in action.default_keys)
    assert [key for key, times in keys.items() if times > 1] == []


@pytest.mark.parametrize("action_id", ["tasks.cancel", "volumes.delete"])
def test_nothing_is_destroyed_by_a_plain_key_or_enter(action_id: str) -> None:
    assert KEYS.keys_of(action_id) == ("ctrl+d",)


def test_labels_fit_a_footer_and_tooltips_are_sentences() -> None:
    for action in ACTIONS:
        assert len(action.label) <= 16
        assert action.tooltip[0].isupper()


def test_a_pane_takes_no_key_away_from_the_whole_dashboard_but_these() -> None:
    of_app = {key for action in KEYS.of("app") for key in action.default_keys}
    taken = {
        (action.noun, key) for action in ACTIONS if action.noun != "app" for key in action.default_keys if key in of_app
    }
    assert taken == {("logs", "colon"), ("logs", "left"), ("logs", "right")}


def test_what_a_table_of_actions_names_in_a_module_that_is_loaded_late_is_there() -> None:
    """Nothing else would notice a wrong name before the user presses the key."""
    checked = 0
    for table in [app_actions, *(sys.modules[f"flow_tui.panes.{pane.noun}.actions"] for pane in PANES if pane.actions)]:
        late = {name for name, value in vars(table).items() if isinstance(value, LazyModule)}
        for node in ast.walk(ast.parse(inspect.getsource(table))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in late:
                assert callable(getattr(vars(table)[node.value.id], node.attr))
                checked += 1
    assert checked > 10
