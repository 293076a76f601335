"""The app: holds the fleet, the themes and the keymap. It knows nothing about tasks."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.screen import Screen

from flow_core.audit import Gate
from flow_core.config import Config
from flow_core.fleet import Fleet
from flow_tui.action_table import ACTIONS
from flow_tui.colour_depth import ColourDepth
from flow_tui.colour_reduction import make_line_filters
from flow_tui.crash import CrashGuard
from flow_tui.key_queue import KeyQueue
from flow_tui.keymap import Keymap
from flow_tui.notices import Notices
from flow_tui.own_settings import explain_unlock, read_own_settings
from flow_tui.prompts import PromptQueue
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.themes import complete_variables, load_themes
from flow_tui.widget_release import RELEASE_S, release_removed_widgets
from flow_tui.widgets.raw_keys import keep_raw_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from textual.command import Provider
    from textual.filter import LineFilter

    from flow_tui.last_screen.screen_keeper import ScreenKeeper
    from flow_tui.screens.kept_rows import KeptRows

_SECOND_PRESS_S = 2.0
_FIRST_ANSWERS_S = 0.1  # enough for this machine, so that its rows are in the first frame
_REPLACED_S = 0.5  # while the last screen is shown, so that an empty table does not replace it
_KEEP_EVERY_S, _KEEP_S = 60.0, 1.0
_PROBLEMS_SHOWN, _PROBLEM_S = 3, 15.0  # config problems shown as notices; ! lists the others


def _action_commands() -> type[Provider]:
    from flow_tui.command_palette import ActionCommands  # lazy import: not needed at start

    return ActionCommands


def _start_garbage_collector() -> None:
    gc.freeze()
    gc.enable()


class FlowApp(Notices, KeyQueue, CrashGuard, App[None], inherit_bindings=False):
    """The dashboard of the configured contexts, or only of those in `contexts`."""

    TITLE = "flow-tui"
    CSS_PATH = "flow.tcss"
    COMMANDS = {_action_commands}
    ENABLE_COMMAND_PALETTE = False  # Textual's own key for it would take precedence over all others
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "interrupt", "quit", show=False)]

    def __init__(
        self,
        config: Config,
        *,
        contexts: tuple[str, ...] = (),
        read_only: bool = False,
        theme: str | None = None,
        is_demo: bool = False,
        colours: ColourDepth = ColourDepth.TRUE_COLOUR,
    ) -> None:
        keep_raw_keys()
        self._is_demo = is_demo
        self.screen_keeper: ScreenKeeper | None = None
        """Keeps the last screen for the next start; None to keep nothing."""
        self._kept: KeptRows | None = None
        super().__init__()
        self._colour_filters = make_line_filters(colours, self._theme_background)
        self._interrupted_at = -_SECOND_PRESS_S
        themes, theme_problems = load_themes(config.path.parent / "themes")
        for loaded in themes:
            self.register_theme(loaded)
        self.own_themes = tuple(loaded.name for loaded in themes)
        own_settings = read_own_settings(config, self.available_themes)
        self.problems = tuple(str(problem) for problem in (*config.problems, *own_settings.problems, *theme_problems))
        self.theme = self._first_theme = theme if theme in self.available_themes else own_settings.theme
        self.keys = Keymap(ACTIONS, own_settings.keys)
        self.set_keymap({action_id: ",".join(keys) for action_id, keys in own_settings.keys.items()})
        self._release_key = own_settings.release_key
        chosen = [context for context in config.contexts if not contexts or context.name in contexts]
        self.prompts = PromptQueue()
        unlock = explain_unlock(by_option=read_only, by_setting=own_settings.read_only)
        gate = Gate(read_only=read_only or own_settings.read_only, unlock=unlock)
        self.fleet = Fleet(chosen, gate, self.prompts)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return complete_variables(self.current_theme)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return (*super().get_line_filters(), *self._colour_filters)

    def _theme_background(self) -> Color:
        return Color.parse(self.theme_variables["background"])

    def get_default_screen(self) -> Screen[None]:
        return DashboardScreen(
            self.fleet,
            self.prompts,
            self.keys,
            release_key=self._release_key,
            problems=self.problems,
            past_notices=self.past_notices,
            is_demo=self._is_demo,
        )

    async def on_mount(self) -> None:
        self.set_interval(_KEEP_EVERY_S, self._keep_last_screen)
        self._unsubscribe_start = self.fleet.subscribe(self._on_first_answer)
        await self.fleet.__aenter__()
        await self.fleet.wait_for_first_answers(_FIRST_ANSWERS_S if self.held_terminal is None else _REPLACED_S)
        self.call_later(self.draw_held_frame)
        for problem in self.problems[:_PROBLEMS_SHOWN]:
            self.notify(problem, severity="warning", timeout=_PROBLEM_S, markup=False)
        if (more := len(self.problems) - _PROBLEMS_SHOWN) > 0:
            text = f"{more} more config problems: press {self.keys.written('app.attend')}"
            self.notify(text, severity="warning", timeout=_PROBLEM_S, markup=False)

    def _on_first_answer(self, _: frozenset[str]) -> None:
        """Starts the garbage collector, which ignores what was loaded until then, and the release of widgets."""
        self._unsubscribe_start()
        self.call_after_refresh(_start_garbage_collector)
        self.set_interval(RELEASE_S, lambda: release_removed_widgets(self))

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        if not self._exit:
            self._kept = self._draw_kept_rows()
        super().exit(result, return_code, message)

    async def on_unmount(self) -> None:
        await self.fleet.__aexit__()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._keep_at_end(), _KEEP_S)

    def _draw_kept_rows(self) -> KeptRows | None:
        if self.screen_keeper is None or self.theme != self._first_theme or not self.screen_stack:
            return None
        with self._context():  # after a signal, this runs outside of it
            screen = self.screen
            return screen.draw_kept_rows() if isinstance(screen, DashboardScreen) and screen.is_mounted else None

    @work(group="keep-last-screen", exclusive=True)
    async def _keep_last_screen(self) -> None:
        if self.screen_keeper is not None and (kept := self._draw_kept_rows()) is not None:
            await asyncio.to_thread(self.screen_keeper.keep_if_changed, *kept)

    async def _keep_at_end(self) -> None:
        if self.screen_keeper is not None and self._kept is not None:
            await asyncio.to_thread(self.screen_keeper.keep, *self._kept)

    def action_command_palette(self) -> None:
        from flow_tui.command_palette import ActionPalette  # lazy import: not needed at start

        if not ActionPalette.is_open(self):
            self.push_screen(ActionPalette(id="--command-palette"))

    async def action_interrupt(self) -> None:
        """Quits when ctrl+c is pressed twice, whatever is on the screen."""
        now = time.monotonic()
        if now - self._interrupted_at < _SECOND_PRESS_S:
            self.exit()
            return
        self._interrupted_at = now
        self.notify("Press ctrl+c again to quit; your tasks continue to run.", timeout=_SECOND_PRESS_S, markup=False)
