"""The dashboard: the panes, the rows around them, and the keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from flow_core.fleet import Fleet
from flow_core.fleet_state import TASKS
from flow_tui.actions import make_bindings
from flow_tui.keymap import Keymap
from flow_tui.prompts import PromptQueue
from flow_tui.screens import status_bar
from flow_tui.screens.app_actions import APP_ACTIONS, refresh_all
from flow_tui.screens.cropped_compositor import CroppedCompositor
from flow_tui.screens.pane_deck import PaneDeck
from flow_tui.screens.prompt_controller import PromptController
from flow_tui.services import WidgetT
from flow_tui.widgets.bar import Bar
from flow_tui.widgets.table import ResourceTable

if TYPE_CHECKING:
    from flow_tui.notices import PastNotice
    from flow_tui.screens.kept_rows import KeptRows

_TICK_S = 1.0
_REST_S = 0.3
_UNFINISHED_S = 1.0  # the first frame is drawn then at the latest


class DashboardScreen(Screen[None]):
    """All panes of one fleet. `problems` are those of the config; `release_key` is the key that leaves a shell."""

    BINDINGS: ClassVar[list[BindingType]] = [*make_bindings(APP_ACTIONS)]

    def __init__(
        self,
        fleet: Fleet,
        prompts: PromptQueue,
        keys: Keymap,
        *,
        release_key: str,
        problems: Sequence[str] = (),
        past_notices: Iterable[PastNotice] = (),
        is_demo: bool = False,
    ) -> None:
        super().__init__()
        self._compositor = CroppedCompositor()
        self._problems = problems
        self._past_notices = past_notices
        self._is_demo = is_demo
        self._may_draw = False
        # Created here and not queried: the fleet may call before they are mounted, and after they are removed.
        self._header, self._footer = Bar(id="header"), Bar(id="footer", gap=1)
        self._tabs = Bar(id="tabs", gap=1)
        self.panes = PaneDeck(
            self,
            fleet,
            prompts,
            keys,
            release_key=release_key,
            show_status=self._show_status,
            answer_prompts=self._answer_prompts,
        )
        self.services = self.panes.services
        self._prompt_controller = PromptController(self.services)

    @property
    def is_read_only(self) -> bool:
        return self.services.is_read_only

    @property
    def keys(self) -> Keymap:
        return self.services.keys

    def pane(self, kind: type[WidgetT]) -> WidgetT:
        """Returns the pane of this class. Creates it if it doesn't exist yet."""
        return self.panes.pane(kind)

    def compose(self) -> ComposeResult:
        self.panes.arrange()  # before the widgets are mounted, because later changes of classes style all of them again
        yield self._header
        yield self._tabs
        with self.panes.container:
            yield self.panes.home
        yield self._footer

    def on_mount(self) -> None:
        self.services.fleet.subscribe(self._show_fleet)
        self.set_interval(_TICK_S, self._tick)
        self.set_timer(_REST_S, self.panes.load_rest)
        self.set_timer(_UNFINISHED_S, self._draw_unfinished)
        self.panes.arrange()
        self.panes.bring_to_front(self.panes.front)
        self._show_fleet(self.services.fleet.watched)

    def on_resize(self, event: events.Resize) -> None:
        self.panes.arrange()
        self._show_status()

    def on_descendant_focus(self) -> None:
        self.panes.note_focus()
        self._show_status()

    def draw_kept_rows(self) -> KeptRows | None:
        """Draws what the next start shows first; None while something else than the tasks of all contexts is shown."""
        ages = [state.age_s for state in self.services.fleet.states if state.age_s is not None]
        has_answers = len(ages) == len(self.services.fleet.states) > 0
        if not has_answers or not self.panes.is_as_at_start or self.panes.home.filter_text:
            return None
        from flow_tui.screens.kept_rows import draw_kept_rows  # lazy import: not needed at start

        bars = (self._tabs, self._footer)
        return draw_kept_rows(self, self._header, bars, self.panes.in_view, max(ages))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Returns whether an action is available. Hides actions that change something in read-only mode."""
        if action == "act" and parameters and self.is_read_only:
            return not self.keys[str(parameters[0])].changes
        return True

    def action_act(self, action_id: str) -> None:
        """Carries out an action of the keymap, or notifies the user why it can't be done."""
        self.panes.act(action_id)

    def _compositor_refresh(self) -> None:
        """Draws the changed regions. During a batch they stay changed; Textual would render a frame and drop it.

        They also stay changed until the widgets know their sizes: an unfinished frame would replace the last screen.
        """
        self._may_draw = self._may_draw or (bool(self._header.left) and self.panes.home.is_laid_out)
        if self._may_draw and not self.app._batch_count:
            super()._compositor_refresh()

    def _draw_unfinished(self) -> None:
        self._may_draw = True
        self._compositor_refresh()

    def _show_fleet(self, changed: frozenset[str]) -> None:
        self.panes.show_fleet(changed)
        if self.services.fleet.has_read(TASKS):
            self.call_after_refresh(self.panes.load_rest)
        self._show_status()

    @on(ResourceTable.Highlighted)
    def _show_status(self) -> None:
        """Draws the rows around the panes."""
        if not self.is_mounted:
            return
        self._show_header()
        pane = self.panes.front_pane
        filter_text = "" if pane is None else pane.filter_text
        self._tabs.left, self._tabs.right = status_bar.build_tabs(
            self.keys, self.panes.front, filter_text, self.size.width
        )
        pane_footer = None if pane is None else pane.footer
        self._footer.left = status_bar.build_footer(self.services) if pane_footer is None else pane_footer

    def _tick(self) -> None:
        for pane in self.panes.in_view:
            pane.tick()
        self._show_header()

    def _show_header(self) -> None:
        if self.is_mounted:
            self._header.left, right = status_bar.build_header(self.services, self._problems, self.size.width)
            # The demo mark comes first, so that it is shown at every size.
            self._header.right = (status_bar.DEMO, *right) if self._is_demo else right

    @on(events.Click, "#header")
    def _answer_prompts(self) -> None:
        """Shows the prompts that wait for an answer; without prompts, the contexts and their problems."""
        from flow_tui.screens.contexts import ContextsScreen  # lazy import: rarely opened

        if self._prompt_controller.has_prompts:
            self._prompt_controller.answer_all()
            return
        fleet = self.services.fleet
        refresh = partial(refresh_all, self.services)
        self.services.open(ContextsScreen(fleet, refresh, self._problems, self._past_notices))
