"""The shell pane before its widgets are mounted, while shells come and go, and after it is gone."""

from __future__ import annotations

import asyncio
from typing import Any

from testbed.bare_services import bare_services
from testbed.themed_app import ThemedApp
from testbed.tui.shell_pane import border_text, has_live_shells, hosted, task
from testbed.waiting import until

from flow_core.errors import Conflict
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.widgets.terminal import TerminalView


async def test_a_pane_without_its_widgets_takes_every_message_and_shows_it_later() -> None:
    app = ThemedApp()
    async with app.run_test():
        pane = ShellPane(bare_services())
        pane.show(None)
        pane.on_terminal_view_state_changed()
        pane.on_terminal_view_ended()
        await pane.close_front()
        await pane.close()
        await app.mount(pane)
        assert str(pane.border_title) == "Shell"
        await pane.remove()
        pane.show(None)
        pane.on_terminal_view_state_changed()
        pane.on_terminal_view_ended()
        await pane.close()


async def test_a_shell_that_is_asked_for_while_the_pane_goes_away_is_hung_up(open_pty: Any) -> None:
    opened: list[Any] = []

    async def remember(columns: int, rows: int, _command: str | None = None) -> Any:
        opened.append(await open_pty(columns, rows))
        return opened[-1]

    async with hosted() as (app, _):
        pane = app.pane
        opening = asyncio.create_task(pane.enter(task(), remember))
        await pane.remove()
        await asyncio.gather(opening, return_exceptions=True)
        await pane.close()
        assert not opening.exception()
        assert all(shell.is_closed for shell in opened)
        await app.mount(ShellPane(bare_services()))


async def test_a_tab_that_is_closed_while_its_shell_is_opened_gets_no_shell(open_pty: Any) -> None:
    is_asked, may_open = asyncio.Event(), asyncio.Event()
    opened: list[Any] = []

    async def slow(columns: int, rows: int, _command: str | None = None) -> Any:
        is_asked.set()
        await may_open.wait()
        opened.append(await open_pty(columns, rows))
        return opened[-1]

    async with hosted() as (app, _):
        opening = asyncio.create_task(app.pane.enter(task(), slow))
        await is_asked.wait()
        await app.pane.close_front()
        may_open.set()
        await opening
        assert all(shell.is_closed for shell in opened)
        assert not has_live_shells(app.pane)
        assert not app.query(TerminalView)


async def test_the_reason_why_a_shell_could_not_be_opened_is_lost_with_its_tab() -> None:
    is_asked, may_fail = asyncio.Event(), asyncio.Event()

    async def refuse_late(_columns: int, _rows: int, _command: str | None = None) -> Any:
        is_asked.set()
        try:
            await may_fail.wait()
        finally:
            raise Conflict("It has ended.")

    async with hosted() as (app, _):
        opening = asyncio.create_task(app.pane.enter(task(), refuse_late))
        await is_asked.wait()
        await app.pane.close_front()
        may_fail.set()
        await opening
        await until(lambda: border_text(app) == "Shell")
