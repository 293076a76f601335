"""The app: holds the fleet, the themes and the keys. Knows nothing of tasks."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from flow_core.changes import Gate
from flow_core.config import Config
from flow_core.fleet import Fleet
from flow_tui.crash import CrashGuard
from flow_tui.key_order import OrderedKeys
from flow_tui.keymap import check_keys
from flow_tui.questions import Questions
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.terminal.prefix import RELEASE_KEY
from flow_tui.themes import DEFAULT, load_themes, variable_defaults
from flow_tui.widgets.raw_keys import keep_raw_keys

if TYPE_CHECKING:
    from textual.command import Provider

_TWICE_S = 2.0
_FIRST_ANSWERS_S = 0.1  # this machine answers well within it, and its rows are then in the first frame
_KEY_NAMES = {"ctrl+]": "ctrl+right_square_bracket", "ctrl+\\": "ctrl+backslash"}


def _action_commands() -> type[Provider]:
    from flow_tui.commands import ActionCommands  # deferred: the palette's machinery is not needed to start

    return ActionCommands


def _collect_from_now_on() -> None:
    gc.freeze()
    gc.enable()


class FlowApp(OrderedKeys, CrashGuard, App[None], inherit_bindings=False):
    """The dashboard over the configured contexts, or over those named."""

    TITLE = "flow-tui"
    CSS_PATH = "flow.tcss"
    COMMANDS = {_action_commands}
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "interrupt", "quit", show=False)]

    def __init__(
        self,
        config: Config,
        *,
        contexts: tuple[str, ...] = (),
        read_only: bool = False,
        theme: str | None = None,
        is_demo: bool = False,
    ) -> None:
        keep_raw_keys()
        self._config = config
        self._is_demo = is_demo
        super().__init__()
        gate = Gate(read_only=read_only or config.dashboard.get("read_only") is True)
        chosen = [context for context in config.contexts if not contexts or context.name in contexts]
        self.questions = Questions()
        self.fleet = Fleet(chosen, gate, self.questions)
        self._problems = [str(problem) for problem in config.problems]
        self._interrupted_at = -_TWICE_S
        self.own_themes: tuple[str, ...] = ()
        self._load_themes(theme or str(config.dashboard.get("theme") or DEFAULT))
        self._load_keys()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults(dark=self.current_theme.dark)

    def get_default_screen(self) -> Screen[None]:
        release = self._config.dashboard.get("shell_release")
        key = release if isinstance(release, str) and release else RELEASE_KEY
        return DashboardScreen(self.fleet, self.questions, release_key=_KEY_NAMES.get(key, key), is_demo=self._is_demo)

    async def on_mount(self) -> None:
        self._forget_start = self.fleet.subscribe(self._started)
        await self.fleet.__aenter__()
        await self.fleet.first_answers(_FIRST_ANSWERS_S)
        for problem in self._problems:
            self.notify(problem, severity="warning", timeout=15, markup=False)

    def _started(self) -> None:
        """The first answer is there: collect garbage from now on, but not what was loaded to start."""
        self._forget_start()
        self.call_after_refresh(_collect_from_now_on)

    async def on_unmount(self) -> None:
        await self.fleet.__aexit__()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Textual's own ctrl+p comes before any widget's keys; a shell with the focus gets it all the same."""
        return not (action == "command_palette" and getattr(self.focused, "captures_keys", False))

    async def action_interrupt(self) -> None:
        """ctrl+c twice always leaves, whatever is open."""
        now = time.monotonic()
        if now - self._interrupted_at < _TWICE_S:
            self.exit()
            return
        self._interrupted_at = now
        self.notify("ctrl+c again leaves; tasks go on", timeout=_TWICE_S, markup=False)

    def _load_themes(self, wanted: str) -> None:
        themes, problems = load_themes(self._config.path.parent / "themes")
        for theme in themes:
            self.register_theme(theme)
        self.own_themes = tuple(theme.name for theme in themes)
        self._problems += [str(problem) for problem in problems]
        if wanted not in self.available_themes:
            self._problems.append(f"there is no theme {wanted!r}; using {DEFAULT}")
            wanted = DEFAULT
        self.theme = wanted

    def _load_keys(self) -> None:
        keys = self._config.dashboard.get("keys") or {}
        if not isinstance(keys, dict):
            self._problems.append("dashboard.keys: must be a table of action ids and keys")
            return
        sound, problems = check_keys(keys)
        self._problems += problems
        self.set_keymap(sound)
