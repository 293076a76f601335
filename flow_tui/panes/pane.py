"""What the dashboard knows of a pane: its entry in the registry, and what every pane can be asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from flow_tui.actions import Action
from flow_tui.services import Services
from flow_tui.widgets.bar import Piece


class Placement(StrEnum):
    """Where a pane is shown, in the order in which panes follow one another on the screen."""

    MAIN = "pane-main"
    """The largest part, whenever there is room for more than one pane."""
    LOG = "pane-log"
    """Below the main pane, or as a strip below the pane in front."""
    SIDE = "pane-side"
    """Beside the log. Where there is room for one such pane only, it is the one that was last in front."""
    WHOLE = "pane-whole"
    """By itself, unless all panes are in view."""


class Pane(Vertical):
    """A part of the dashboard. Subclasses override what applies to them."""

    NOUN: ClassVar[str]
    """Its name: the first part of its actions' ids, and its id on the screen."""

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.services = services

    @property
    def filter_text(self) -> str:
        """What the rows are filtered by; "" without a filter."""
        return ""

    @property
    def focus_target(self) -> Widget | None:
        """The widget that gets the focus when the pane comes to the front; None while there is none."""
        return next((child for child in self.walk_children(Widget) if child.focusable), None)

    @property
    def footer(self) -> tuple[Piece, ...] | None:
        """What the footer shows in place of the pane's keys; None for the keys."""
        return None

    def show_fleet(self) -> None:
        """Shows what the fleet knows now. Called when a facet of the pane or the state of a context has changed."""

    def tick(self) -> None:
        """Called every second while the pane is in view."""

    def step_back(self) -> bool:
        """Closes a filter or a search; false when there was none."""
        return False

    async def may_quit(self) -> bool:
        """Asks the user where leaving the dashboard would lose something; false keeps the dashboard open."""
        return True

    async def close(self) -> None:
        """Ends what must not outlive the dashboard."""


@dataclass(frozen=True, slots=True)
class PaneEntry:
    """A pane as the registry lists it. `load` imports its class: panes are loaded after the first frame.

    `facets` are the parts of the fleet that it shows. They are polled while the pane is in view. With `loads_last`,
    the pane is so large that it is loaded after all others.
    """

    noun: str
    title: str
    placement: Placement
    actions: tuple[Action[Any], ...]
    load: Callable[[], type[Pane]]
    facets: frozenset[str] = frozenset()
    loads_last: bool = False
