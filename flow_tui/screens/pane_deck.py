"""The panes of the dashboard: which are loaded, which are in view, and which is in front."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.widget import Widget

from flow_core.fleet import Fleet
from flow_core.fleet_state import CONTEXTS
from flow_tui.actions import Action
from flow_tui.key_queue import hold_keys
from flow_tui.keymap import Keymap
from flow_tui.panes.pane import Pane, PaneEntry, Placement
from flow_tui.panes.registry import PANES
from flow_tui.prompts import PromptQueue
from flow_tui.screens.layout import SIZES, choose_panes, choose_size_class
from flow_tui.services import Services, WidgetT

_IN_ORDER = sorted(PANES, key=lambda pane: list(Placement).index(pane.placement))


class PaneDeck:
    """The workspace of the panes. The first pane is loaded at the start, the others by `load_rest`."""

    def __init__(
        self,
        screen: Screen[Any],
        fleet: Fleet,
        prompts: PromptQueue,
        keys: Keymap,
        *,
        release_key: str,
        show_status: Callable[[], None],
        answer_prompts: Callable[[], None],
    ) -> None:
        self.services = Services(screen, fleet, prompts, keys, self, release_key=release_key)
        self.show_status = show_status
        self.answer_prompts = answer_prompts
        self.container = Container(id="panes")
        self.nouns = tuple(pane.noun for pane in PANES)
        self._screen = screen
        self._entries = {pane.noun: pane for pane in PANES}
        self._home = self._front = self._last_front = PANES[0].noun
        self._side = self._first_side = next((pane.noun for pane in PANES if pane.placement is Placement.SIDE), "")
        self._zoomed = False
        self._arranged: tuple[str, tuple[str, ...]] | None = None
        # Created here and not queried: the fleet may call before they are mounted, and after they are removed.
        self._panes: dict[str, Pane] = {}
        self._slots: dict[str, Widget] = {self._home: self._make_pane(self._home)}
        self._is_rest_loaded = False
        self._all_loaded = asyncio.Event()

    @property
    def front(self) -> str:
        return self._front

    @property
    def home(self) -> Pane:
        """The first pane."""
        return self._panes[self._home]

    @property
    def front_pane(self) -> Pane | None:
        """The pane in front; None before it is loaded."""
        return self._panes.get(self._front)

    @property
    def in_view(self) -> tuple[Pane, ...]:
        """The panes on the screen."""
        return tuple(self._panes[noun] for noun in self._nouns_in_view() if noun in self._slots and noun in self._panes)

    @property
    def is_as_at_start(self) -> bool:
        """Whether the panes in view are loaded, and those that the next start shows."""
        is_home = self._front == self._home and self._side == self._first_side
        return is_home and not self._zoomed and self._all_loaded.is_set()

    def pane(self, kind: type[WidgetT]) -> WidgetT:
        assert issubclass(kind, Pane)
        pane = self._panes.get(kind.NOUN) or self._make_pane(kind.NOUN)
        assert isinstance(pane, kind)
        return pane

    async def wait_until_all_loaded(self) -> None:
        await self._all_loaded.wait()

    async def load_rest(self) -> None:
        """Loads the other panes, once the first rows are on the screen or after a short wait for them."""
        if len(self._slots) > 1 or not self.container.is_attached:
            return
        rest = [entry for entry in _IN_ORDER if entry.noun != self._home]
        self._slots |= {entry.noun: self._make_slot(entry) for entry in rest}
        view = self._nouns_in_view()
        for noun, slot in self._slots.items():
            slot.display = noun in view
        await self.container.mount(*(self._slots[entry.noun] for entry in rest))
        self._is_rest_loaded = True
        self._watch_facets()
        for entry in rest:
            if not entry.loads_last:
                self._panes[entry.noun].show_fleet()
        if not self._slots[self._front].has_focus_within:  # keep the focus that it has, such as in a filter
            self._focus_front()
        self._screen.call_after_refresh(self._load_last)

    async def _load_last(self) -> None:
        for entry in _IN_ORDER:
            if entry.loads_last:
                slot = self._slots[entry.noun]
                if not slot.is_attached:
                    return
                await slot.mount(self._panes.get(entry.noun) or self._make_pane(entry.noun))
                if self._front == entry.noun:
                    self._focus_front()
        self._all_loaded.set()

    def bring_to_front(self, noun: str) -> None:
        self._note_front(noun)
        self.arrange()
        self._focus_front()

    def show_pane(self, noun: str) -> None:
        if self._front == noun:
            self._zoomed = not self._zoomed
        self.bring_to_front(noun)

    def show_last(self) -> None:
        self.bring_to_front(self._last_front)

    def leave(self, noun: str) -> None:
        self.bring_to_front(self._last_front if self._last_front != noun else self._home)

    def move_focus(self, step: int) -> None:
        in_view = self._nouns_in_view()
        view = [noun for noun in self.nouns if noun in in_view]
        self.bring_to_front(view[(view.index(self._front) + step) % len(view)] if self._front in view else view[0])

    def toggle_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self.bring_to_front(self._front)

    def step_back(self) -> None:
        if self.front_pane is not None and self.front_pane.step_back():
            self.show_status()
        elif self._zoomed:
            self.toggle_zoom()
        elif self._front != self._home:
            self.bring_to_front(self._home)

    async def quit(self) -> None:
        panes = tuple(self._panes.values())
        for pane in panes:
            if not await pane.may_quit():
                return
        for pane in panes:
            await pane.close()
        self._screen.app.exit()

    def act(self, action_id: str) -> None:
        action, services = self.services.keys[action_id], self.services
        if action.changes and services.is_read_only:
            services.notify(f"read-only: {services.fleet.gate.unlock} to change anything", severity="warning")
        elif reason := self.disabled_reason(action_id):
            services.notify(reason, severity="warning")
            if action.opens_shell:
                hold_keys(self._screen).refuse()  # keys that were typed with it were meant for the shell
        else:
            services.carry_out(partial(action.run, self._find_target(action)), action_id)

    def disabled_reason(self, action_id: str) -> str | None:
        action = self.services.keys[action_id]
        target = self._find_target(action)
        return "this pane is still being loaded" if target is None else action.disabled_reason(target)

    def note_focus(self) -> None:
        """Notes that the pane with the focus is in front."""
        for noun, slot in self._slots.items():
            if slot.has_focus_within:
                self._note_front(noun)

    def arrange(self) -> None:
        """Shows the panes for the current size of the terminal."""
        size, view = choose_size_class(*self._screen.app.size), self._nouns_in_view()
        if (size, view) == self._arranged:
            return
        self._arranged = (size, view)
        sizes = {other: other == size for other in SIZES}
        # At once, because each change of the classes styles every widget again.
        self._screen.update_classes({**sizes, "-single": len(view) == 1, "-strip": len(view) == 2})
        for noun, slot in self._slots.items():
            slot.display = noun in view
        self._watch_facets()

    def show_fleet(self, changed: frozenset[str]) -> None:
        """Passes changes of the fleet to the panes that show them."""
        for noun, pane in tuple(self._panes.items()):
            if self._is_rest_loaded or noun == self._home:
                facets = self._entries[noun].facets
                if facets & changed or (facets and CONTEXTS in changed):
                    pane.show_fleet()

    def _find_target(self, action: Action[Any]) -> Pane | Services | None:
        return self.services if action.noun == "app" else self._panes.get(action.noun)

    def _make_pane(self, noun: str) -> Pane:
        entry = self._entries[noun]
        pane = entry.load()(self.services, id=None if entry.loads_last else noun)
        if not entry.loads_last:
            pane.add_class(entry.placement)
        self._panes[noun] = pane
        return pane

    def _make_slot(self, entry: PaneEntry) -> Widget:
        """Returns the pane, or an empty frame for a pane that is loaded last."""
        if entry.loads_last:
            return Vertical(id=entry.noun, classes=entry.placement)
        return self._panes.get(entry.noun) or self._make_pane(entry.noun)

    def _note_front(self, noun: str) -> None:
        if noun != self._front:
            self._last_front, self._front = self._front, noun
        if self._entries[noun].placement is Placement.SIDE:
            self._side = noun

    def _nouns_in_view(self) -> tuple[str, ...]:
        size = choose_size_class(*self._screen.app.size)
        return choose_panes(PANES, size, self._front, zoomed=self._zoomed, side=self._side)

    def _watch_facets(self) -> None:
        """Makes the fleet poll only the facets in view."""
        view = self._nouns_in_view() if self._is_rest_loaded else (self._home,)
        self.services.fleet.watch(frozenset[str]().union(*(self._entries[noun].facets for noun in view)))

    def _focus_front(self) -> None:
        pane = self.front_pane
        if pane is None:
            return
        if (target := pane.focus_target) is not None:
            target.focus()
        self.show_status()
