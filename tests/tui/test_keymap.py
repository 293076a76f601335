"""The table of actions is the only source of keys."""

from __future__ import annotations

from collections import Counter

from testbed.tables import each

from flow_tui.keymap import ACTIONS, BY_ID, actions_of

PLACES = sorted({action.place for action in ACTIONS})


def test_every_action_has_an_id_of_its_own() -> None:
    assert len(BY_ID) == len(ACTIONS)


@each("place", PLACES)
def test_a_key_means_one_thing_in_a_place(place: str) -> None:
    keys = Counter(key for action in actions_of(place) for key in action.keys.split(","))
    assert [key for key, times in keys.items() if times > 1] == []


@each("action", [a for a in ACTIONS if a.verb in ("cancel", "delete")], ids=lambda a: a.id)
def test_nothing_is_destroyed_by_a_plain_key_or_enter(action: object) -> None:
    assert BY_ID[action.id].keys == "ctrl+d"  # type: ignore[attr-defined]


def test_labels_fit_a_footer_and_tooltips_are_sentences() -> None:
    for action in ACTIONS:
        assert len(action.label) <= 16
        assert action.tooltip[0].isupper()


def test_a_pane_takes_no_key_away_from_the_whole_dashboard_but_these() -> None:
    everywhere = {key for action in ACTIONS if action.place == "app" for key in action.keys.split(",")}
    taken = {
        (action.place, key)
        for action in ACTIONS
        if action.place != "app"
        for key in action.keys.split(",")
        if key in everywhere
    }
    assert taken == {("logs", "left"), ("logs", "right")}
