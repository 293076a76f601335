"""The base of all panes, and their entries in the registry."""

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
    """The place of a pane, in the order of the panes on the screen."""

    MAIN = "pane-main"
    """The largest part, if there is room for more than one pane."""
    LOG = "pane-log"
    """Below the main pane, or as a strip below the pane in front."""
    SIDE = "pane-side"
    """Beside the log. If there is room for only one such pane, the one that was last in front is shown."""
    WHOLE = "pane-whole"
    """Alone, unless all panes are in view."""


class Pane(Vertical):
    """A part of the dashboard. Subclasses override what applies to them."""

    NOUN: ClassVar[str]
    """The name of the pane: the first part of its actions' ids, and its id on the screen."""

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.services = services

    @property
    def filter_text(self) -> str:
        """The filter of the rows; "" without a filter."""
        return ""

    @property
    def focus_target(self) -> Widget | None:
        """The widget that gets the focus when the pane comes to the front; None while there is none."""
        return next((child for child in self.walk_children(Widget) if child.focusable), None)

    @property
    def is_laid_out(self) -> bool:
        """Whether the content fits the size of the pane, which it doesn't know at first."""
        return True

    @property
    def footer(self) -> tuple[Piece, ...] | None:
        """The content of the footer in place of the pane's keys; None to show the keys."""
        return None

    def show_fleet(self) -> None:
        """Shows the state of the fleet. Called when a facet of the pane or the state of a context has changed."""

    def tick(self) -> None:
        """Updates the pane. Called every second while the pane is in view."""

    def step_back(self) -> bool:
        """Closes a filter or a search. Returns False if there was none."""
        return False

    async def may_quit(self) -> bool:
        """Returns whether the dashboard may quit. Asks the user first if quitting would lose something."""
        return True

    async def close(self) -> None:
        """Ends everything that must not outlive the dashboard."""


@dataclass(frozen=True, slots=True)
class PaneEntry:
    """The entry of a pane in the registry. `load` imports its class, because panes are loaded after the first frame.

    `facets` are the parts of the fleet that it shows. They are polled while the pane is in view. `loads_last` is for a
    pane so large that it is loaded after all others.
    """

    noun: str
    title: str
    placement: Placement
    actions: tuple[Action[Any], ...]
    load: Callable[[], type[Pane]]
    facets: frozenset[str] = frozenset()
    loads_last: bool = False

    @property
    def name(self) -> str:
        """The title as a sentence contains it: "tasks" for "Tasks", but "GPUs"."""
        return self.title if self.title[1:2].isupper() else self.title.lower()
