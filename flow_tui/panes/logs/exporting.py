"""Saves, opens and pipes the log of the pane."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.export import LogBlock, read_raw_blocks, save_blocks
from flow_tui import format
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.panes.logs import log_programs
from flow_tui.panes.logs.open_log import OpenLog
from flow_tui.panes.logs.pipe_screen import PipeScreen

if TYPE_CHECKING:
    from flow_tui.panes.logs.save_form import SaveRequest

_SELECTED, _SHOWN, _RAW = "selected lines", "shown text", "the log as the task wrote it"
_PASSING = "lines that pass the filters"
_LABELLED = ", each line after its rank"


async def save_log(pane: OpenLog) -> None:
    """Asks for a path, and saves the log there in a worker of the pane."""
    from flow_tui.panes.logs.save_form import SaveLogForm  # the log is on the screen 20 ms earlier without it

    shown = [*([_SELECTED] if pane.view.selected_range else []), name_shown(pane)]
    words = [f"{word}{_LABELLED}" for word in shown] if pane.is_merged else [*shown, _RAW]
    request = await pane.services.ask(SaveLogForm(_suggest_path(pane), words))
    if request is not None:
        pane.start_saving(partial(_save, pane, request))


async def open_log(pane: OpenLog) -> None:
    """Asks for the program, and opens the log in it at the current line."""
    programs = [
        PickOption("pager", "pager", "the log as the task wrote it"),
        PickOption("editor", "editor", "a copy of the shown text"),
    ]
    files, line = pane.files, pane.view.current_line
    program = await pane.services.ask(Pick("open the log in", programs))
    if files is None or program is None:
        return
    offset = 0 if line is None else line.offset
    if program == "pager":
        await log_programs.page_log(pane.services.screen.app, files, offset)
    else:
        await log_programs.edit_log(pane.services.screen.app, files, pane.view.stream, offset, pane.view.log_size)


def pipe_log(pane: OpenLog, command: str, *, raw: bool) -> None:
    """Opens a screen with the output of the command for the selected lines, or for the whole log."""
    selected = pane.view.selected_range
    start, end = selected or (0, pane.view.log_size)
    shown = _SELECTED if selected else name_shown(pane)
    source = "raw log" if raw else f"{shown}{_LABELLED if pane.is_merged else ''}"
    try:
        blocks = _read(pane, start, end, raw=raw)
    except FlowError as error:
        pane.show_status(str(error), is_problem=True)
    else:
        pane.services.open(PipeScreen(command, blocks, source, pane.services.keys))


async def _save(pane: OpenLog, request: SaveRequest) -> None:
    start, end = (pane.view.selected_range or (0, 0)) if request.what.startswith(_SELECTED) else (0, pane.view.log_size)
    name = request.path.name

    def report(offset: int) -> None:
        pane.show_status(f"saving {name}: {100 * (offset - start) // max(1, end - start)} %, esc cancels")

    try:
        blocks = _read(pane, start, end, raw=request.what == _RAW)
        size = await save_blocks(blocks, request.path, replaces=request.replaces, report=report)
    except FlowError as error:
        pane.services.notify(str(error), severity="error")
    else:
        pane.services.notify(f"saved {format.disk_size(size)} to {request.path}")
    finally:
        pane.show_status("")


def _read(pane: OpenLog, start: int, end: int, *, raw: bool) -> Iterator[LogBlock]:
    if raw and pane.files is not None:
        return read_raw_blocks(pane.files, start, end)
    return pane.view.read_blocks(start, end)


def name_shown(pane: OpenLog) -> str:
    """Returns what the text is called that the pane shows."""
    return _PASSING if pane.view.filters and not pane.is_merged else _SHOWN


def _suggest_path(pane: OpenLog) -> str:
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in pane.log_name)
    return str(Path(f"{name or 'log'}.log"))
