"""Which panes are in view at which size."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.screens.layout import PANES, panes_in_view, size_class


@each(
    ("size", "name"),
    [((160, 48), "-huge"), ((120, 36), "-wide"), ((80, 24), "-medium"), ((60, 15), "-small"), ((200, 15), "-small")],
)
def test_a_terminal_has_the_layout_of_its_size(size: tuple[int, int], name: str) -> None:
    assert size_class(*size) == name


@each("size", ["-huge", "-wide", "-medium", "-small"])
@each("front", PANES)
@each("zoomed", [True, False])
def test_the_pane_in_front_is_always_in_view(size: str, front: str, zoomed: bool) -> None:
    side = front if front in ("instances", "volumes") else "instances"
    view = panes_in_view(size, front, zoomed=zoomed, side=side)
    assert front in view
    assert not zoomed or view == (front,)
