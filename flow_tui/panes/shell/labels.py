"""The texts of the border and the tabs of the shell pane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widget import Widget

from flow_tui.key_names import spell_key
from flow_tui.terminal.prefix import KeyTarget
from flow_tui.widgets.frame_titles import set_frame_subtitle, set_frame_title
from flow_tui.widgets.shell_tabs import Tab, Tabs

if TYPE_CHECKING:
    from flow_tui.panes.shell.tab import ShellTab

_PREFIX = "[ copy  n p c tabs  t d persistent  k close  z zoom  r record  ? all  esc leave"
_COPY = "q end copy mode  / ? n N find  v V select  y copy"
_PERSISTENT = "persistent"
_REC = "● REC"


def show_labels(pane: Widget, row: Tabs, tabs: Sequence[ShellTab], front: ShellTab | None, release_key: str) -> None:
    """Writes the border and the tabs. Names and titles are foreign text, so they are content and never markup."""
    set_frame_title(pane, _format_title(front))
    set_frame_subtitle(pane, _format_subtitle(front, spell_key(release_key)))
    pane.set_class(front is not None and front.view.is_recording, "-recording")
    pane.set_class(front is not None and front.view.signals.is_flashing, "-rung")
    row.display = len(tabs) > 1
    row.tabs = tuple(
        Tab(tab.number, _format_tab(at, tab), is_front=tab is front, is_marked=tab.view.signals.has_rung)
        for at, tab in enumerate(tabs, start=1)
    )


def _format_title(front: ShellTab | None) -> str:
    if front is None:
        return "Shell"
    persistent, recorded = _PERSISTENT if front.is_persistent else "", _REC if front.view.is_recording else ""
    pieces = ["Shell", f"task {front.name}", persistent, front.view.signals.title, recorded]
    return "  ".join(filter(None, pieces))


def _format_tab(at: int, tab: ShellTab) -> str:
    marks = "●" * tab.view.is_recording + "!" * tab.view.signals.has_rung + "✕" * tab.view.is_over
    return " ".join(
        filter(None, [f"{at} {tab.name}", _PERSISTENT if tab.is_persistent else "", marks, tab.view.signals.title])
    )


def _format_subtitle(front: ShellTab | None, key: str) -> str:
    if front is None:
        return ""
    view = front.view
    target, copy_mode, scrolled = view.key_input.target, view.selection.mode, view.selection.scroll_position
    above = "{}/{}".format(*scrolled) if scrolled is not None else ""
    if target is KeyTarget.PREFIX:
        return _PREFIX
    if target is KeyTarget.COPY_MODE and copy_mode is not None:
        prompt = copy_mode.prompt
        notice = copy_mode.notice or (f"find: {prompt}" if prompt is not None else _COPY)
        return "  ".join(filter(None, [above, notice, f"{key} leave"]))
    if (waiting := view.signals.clipboard.waiting) is not None:
        size = len(waiting)
        return f"the shell wants to copy {size} characters: {key} y allow, {key} x forbid  {key} leave"
    if view.is_over:
        return "  ".join(filter(None, [above, f"enter reopen  {key} k close", f"{key} leave"]))
    opening = "opening…  esc stop waiting" if view.is_opening else ""
    return "  ".join(filter(None, [view.note, above, opening, f"{key} leave"]))
