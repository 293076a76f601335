"""The app: holds the fleet, the themes and the keymap. It knows nothing about tasks."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.screen import Screen

from flow_core.audit import Gate
from flow_core.config import Config
from flow_core.fleet import Fleet
from flow_tui.action_table import ACTIONS
from flow_tui.colour_depth import ColourDepth
from flow_tui.colour_reduction import line_filters
from flow_tui.crash import CrashGuard
from flow_tui.key_queue import KeyQueue
from flow_tui.keymap import Keymap
from flow_tui.notices import Notices
from flow_tui.own_settings import read_own_settings
from flow_tui.prompts import PromptQueue
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.themes import fitting_variables, load_themes
from flow_tui.widgets.raw_keys import keep_raw_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.command import Provider
    from textual.filter import LineFilter

_TWICE_S = 2.0
_FIRST_ANSWERS_S = 0.1  # this machine answers well within it, and its rows are then in the first frame
_PROBLEMS_SHOWN, _PROBLEM_S = 3, 15.0  # of the config, as notices; the others are at !


def _action_commands() -> type[Provider]:
    from flow_tui.command_palette import ActionCommands  # deferred: the palette's machinery is not needed to start

    return ActionCommands


def _collect_from_now_on() -> None:
    gc.freeze()
    gc.enable()


class FlowApp(Notices, KeyQueue, CrashGuard, App[None], inherit_bindings=False):
    """The dashboard over the configured contexts, or over those named."""

    TITLE = "flow-tui"
    CSS_PATH = "flow.tcss"
    COMMANDS = {_action_commands}
    ENABLE_COMMAND_PALETTE = False  # as Textual opens it: with a key of its own that comes before all others
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
        super().__init__()
        self._colour_filters = line_filters(colours, self._theme_background)
        self._interrupted_at = -_TWICE_S
        themes, theme_problems = load_themes(config.path.parent / "themes")
        for one in themes:
            self.register_theme(one)
        self.own_themes = tuple(one.name for one in themes)
        own = read_own_settings(config, self.available_themes)
        self.problems = tuple(str(problem) for problem in (*config.problems, *own.problems, *theme_problems))
        self.theme = theme if theme in self.available_themes else own.theme
        self.keys = Keymap(ACTIONS, own.keys)
        self.set_keymap({action_id: ",".join(keys) for action_id, keys in own.keys.items()})
        self._release_key = own.release_key
        chosen = [context for context in config.contexts if not contexts or context.name in contexts]
        self.prompts = PromptQueue()
        self.fleet = Fleet(chosen, Gate(read_only=read_only or own.read_only), self.prompts)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return fitting_variables(self.current_theme)

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
        self._forget_start = self.fleet.subscribe(self._started)
        await self.fleet.__aenter__()
        await self.fleet.first_answers(_FIRST_ANSWERS_S)
        for problem in self.problems[:_PROBLEMS_SHOWN]:
            self.notify(problem, severity="warning", timeout=_PROBLEM_S, markup=False)
        if (more := len(self.problems) - _PROBLEMS_SHOWN) > 0:
            text = f"{more} more config problems: press {self.keys.written('app.attend')}"
            self.notify(text, severity="warning", timeout=_PROBLEM_S, markup=False)

    def _started(self, _: frozenset[str]) -> None:
        """Starts the garbage collector after the first answer, without what was loaded to start."""
        self._forget_start()
        self.call_after_refresh(_collect_from_now_on)

    async def on_unmount(self) -> None:
        await self.fleet.__aexit__()

    def action_command_palette(self) -> None:
        from flow_tui.command_palette import ActionPalette  # deferred: as above

        if not ActionPalette.is_open(self):
            self.push_screen(ActionPalette(id="--command-palette"))

    async def action_interrupt(self) -> None:
        """Quits when ctrl+c is pressed twice, whatever is open."""
        now = time.monotonic()
        if now - self._interrupted_at < _TWICE_S:
            self.exit()
            return
        self._interrupted_at = now
        self.notify("Press ctrl+c again to quit; your tasks continue to run.", timeout=_TWICE_S, markup=False)
