"""The bookmarks of the log in the pane."""

from __future__ import annotations

from contextlib import suppress

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.logs.export import run_blocking
from flow_core.logs.log_bookmarks import BookmarkStore, LogBookmark
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.panes.logs.open_log import OpenLog
from flow_tui.panes.logs.row_kind import RowKind


async def show_bookmarks(pane: OpenLog) -> None:
    """Marks the bookmarks of the log in the view. A file that can't be read marks nothing; the keys report it."""
    with suppress(FlowError):
        key = pane.log_key
        bookmarks = await run_blocking(lambda: BookmarkStore().load(key))
        if key == pane.log_key:
            pane.view.bookmarks = frozenset(bookmark.offset for bookmark in bookmarks)


async def toggle_bookmark(pane: OpenLog) -> None:
    """Removes the bookmark at the current line, or asks for the name of a new one."""
    line = pane.view.current_line
    if line is None:
        raise FlowError("there is no line to bookmark yet")
    if await run_blocking(lambda: BookmarkStore().remove(pane.log_key, line.offset)):
        await show_bookmarks(pane)
        return
    pane.bookmarked = line
    pane.open_row(RowKind.BOOKMARK)


async def add_bookmark(pane: OpenLog, name: str) -> None:
    """Sets the bookmark whose name the user typed."""
    line = pane.bookmarked
    if line is None:
        return
    bookmark = LogBookmark(line.offset, name.strip(), line.text)
    await run_blocking(lambda: BookmarkStore().add(pane.log_key, bookmark))
    await show_bookmarks(pane)


async def pick_bookmark(pane: OpenLog) -> None:
    """Lists the bookmarks of the log, and goes to the chosen one."""
    bookmarks = await _load(pane)
    options = [
        PickOption(_label(number, bookmark), str(bookmark.offset), bookmark.text) for number, bookmark in bookmarks
    ]
    chosen = await pane.services.ask(Pick("bookmarks of this log", options))
    if chosen is not None:
        pane.view.go_to(int(chosen))


async def step_bookmark(pane: OpenLog, by: int) -> None:
    """Goes to the next bookmark below the current line, or with -1 to the previous one above it."""
    line = pane.view.current_line
    offset = 0 if line is None else line.offset
    offsets = [bookmark.offset for _, bookmark in await _load(pane)]
    ahead = [other for other in offsets if (other > offset if by > 0 else other < offset)]
    if not ahead:
        raise FlowError(f"there is no bookmark {'below' if by > 0 else 'above'} this line")
    pane.view.go_to(ahead[0 if by > 0 else -1])


async def _load(pane: OpenLog) -> list[tuple[int, LogBookmark]]:
    bookmarks = await run_blocking(lambda: BookmarkStore().load(pane.log_key))
    if not bookmarks:
        raise FlowError(f"this log has no bookmarks; {pane.services.keys.written('logs.bookmark')} sets one")
    return list(enumerate(bookmarks, start=1))


def _label(number: int, bookmark: LogBookmark) -> str:
    return escape_controls(bookmark.name) or f"bookmark {number}"
