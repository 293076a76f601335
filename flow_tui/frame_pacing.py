"""Skips frames while the terminal accepts no output, and draws the skipped regions in one frame afterwards.

Of a frame, only the cells that the terminal doesn't show yet are sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, cast

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.messages import Update
from textual.screen import Screen

from flow_tui.driver import TtyDriver
from flow_tui.shown_cells import ShownCells

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver
    from textual.timer import Timer

    from flow_tui.last_screen.first_paint import HeldTerminal

    _App = App[Any]
else:
    _App = object

_REGIONS_MAX = 500
_BATCH_S = 0.01
_RESIZED_S = 0.1


class PacedFrames(_App):
    """An app mixin. Put it before App in the bases."""

    held_terminal: HeldTerminal | None = None
    """The terminal with the last screen on it, which the app takes over."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._missed: set[Region] = set()
        self._missed_on: Screen[Any] | None = None
        self._shown = ShownCells()
        self._redraw_timer: Timer | None = None
        super().__init__(*arguments, **options)  # refreshes

    def hang_up(self) -> None:
        """Ends the app because the terminal is closed. May be called in any thread."""
        self.call_later(self.exit)

    def draw_held_frame(self) -> None:
        """Draws what a screen held back during a batch of updates."""
        if self.screen_stack:
            self.screen._compositor_refresh()

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return TtyDriver if found is LinuxDriver else found

    def _build_driver(self, *arguments: Any, **options: Any) -> Driver:
        driver = super()._build_driver(*arguments, **options)
        if isinstance(driver, TtyDriver):
            driver.held_terminal = self.held_terminal
            driver.on_lost = self.hang_up
            driver.on_caught_up = self._draw_missed
            driver.on_restarted = self._draw_all
        return driver

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(self._driver, TtyDriver) and not self._driver.can_draw:
            self._record_skipped_frame(screen, renderable)
        else:
            super()._display(screen, self._select_changes(renderable))
        _repeat_update_requests(screen)

    def refresh(self, *, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draws everything again, also what the terminal should show already."""
        self._shown.forget()
        return super().refresh(repaint=repaint, layout=layout, recompose=recompose)

    def on_resize(self, event: events.Resize) -> None:
        """Draws everything again: a terminal that gets another size may lose or move what it shows.

        For a new size, Textual does so at once. But the size may also be the same again after several changes, so
        everything is drawn once more when the size rests.
        """
        self._shown.forget()
        if self._redraw_timer is not None:
            self._redraw_timer.stop()
        self._redraw_timer = self.set_timer(_RESIZED_S, self._draw_again)

    def _draw_again(self) -> None:
        self._redraw_timer = None
        self._shown.forget()
        self._draw_all()

    def _select_changes(self, renderable: RenderableType | None) -> RenderableType | None:
        """Returns an update with the changed cells only; None if there are none."""
        if renderable is None or not self._draws_on_terminal:
            return renderable
        if not isinstance(renderable, ChopsUpdate | LayoutUpdate):
            self._shown.forget()
            return renderable
        changes = self._shown.draw(renderable, self.size, self.console._color_system or ColorSystem.TRUECOLOR)
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        if not changes and cursor == self._previous_cursor_position:
            return None
        return cast(RenderableType, _ChangedCells(changes))  # Textual takes its own updates besides what Rich draws

    @property
    def _draws_on_terminal(self) -> bool:
        """Whether `_display` draws now, and on a terminal."""
        is_drawing = self._running and not self._closed and not self._batch_count
        return is_drawing and isinstance(self._driver, TtyDriver)

    def _record_skipped_frame(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate) and screen is (self._missed_on or screen):
            self._missed |= {Region(x, y, end - x, 1) for y, x, end in renderable.spans}
        elif renderable is not None:
            self._missed.add(_whole_region(screen))
        if len(self._missed) > _REGIONS_MAX:
            self._missed = {_whole_region(screen)}
        self._missed_on = screen

    def _draw_missed(self) -> None:
        if self._batch_count:  # drawing is suspended
            asyncio.get_running_loop().call_later(_BATCH_S, self._draw_missed)
            return
        missed, on = self._missed, self._missed_on
        self._missed, self._missed_on = set(), None
        if on is None or not self._running or not self.screen_stack:
            return
        screen = self.screen
        whole = _whole_region(screen)
        regions = {whole} if on is not screen else {region.intersection(whole) for region in missed}
        self._draw(screen, {region for region in regions if region})

    def _draw_all(self) -> None:
        self._shown.forget()
        if self.screen_stack:
            self._missed, self._missed_on = {_whole_region(self.screen)}, self.screen
            self._draw_missed()

    def _draw(self, screen: Screen[Any], regions: set[Region]) -> None:
        screen._compositor._dirty_regions |= regions
        with self._context(), screen._context():  # the caller may be a callback of the terminal
            screen._compositor_refresh()


class _ChangedCells(CompositorUpdate):
    """The control sequences of one frame."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        return self._text


def _repeat_update_requests(screen: Screen[Any]) -> None:
    """Repeats the requests of widgets that the frame didn't draw. A screen forgets all requests after each frame."""
    for widget in screen._dirty_widgets & screen._compositor.visible_widgets.keys():
        if widget._repaint_regions:
            screen.post_message(Update(widget))


def _whole_region(screen: Screen[Any]) -> Region:
    """Returns the region of the whole screen; empty for a screen that was just opened."""
    return screen._compositor.size.region
