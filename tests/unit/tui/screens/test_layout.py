"""Which panes are in view at which size."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.panes.pane import PaneEntry, Placement
from flow_tui.panes.registry import PANES
from flow_tui.screens.layout import choose_panes, choose_size_class


@each(
    ("size", "name"),
    [((160, 48), "-huge"), ((120, 36), "-wide"), ((80, 24), "-medium"), ((60, 15), "-small"), ((200, 15), "-small")],
)
def test_a_terminal_has_the_layout_of_its_size(size: tuple[int, int], name: str) -> None:
    assert choose_size_class(*size) == name


@each("size", ["-huge", "-wide", "-medium", "-small"])
@each("front", PANES, ids=lambda pane: pane.noun)
@each("zoomed", [True, False])
def test_the_pane_in_front_is_always_in_view(size: str, front: PaneEntry, zoomed: bool) -> None:
    side = front.noun if front.placement is Placement.SIDE else "instances"
    view = choose_panes(PANES, size, front.noun, zoomed=zoomed, side=side)
    assert front.noun in view
    assert not zoomed or view == (front.noun,)


def test_more_panes_than_fit_beside_one_another_take_turns_where_all_others_are_in_view() -> None:
    def entry(noun: str, placement: Placement) -> PaneEntry:
        return PaneEntry(noun, noun, placement, (), PANES[0].load)

    panes = (*PANES[:5], entry("bids", Placement.SIDE), entry("notes", Placement.WHOLE))
    view = choose_panes(panes, "-huge", "bids", zoomed=False, side="bids")
    assert view == ("tasks", "instances", "logs", "shell", "bids")
    assert choose_panes(panes, "-huge", "notes", zoomed=False, side="volumes") == (
        *("tasks", "volumes", "logs", "bids", "notes"),
    )
    assert choose_panes(panes, "-wide", "bids", zoomed=False, side="bids") == ("tasks", "logs", "bids")
