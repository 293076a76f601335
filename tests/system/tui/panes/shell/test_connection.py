"""The shell pane and the connection to its shell: queries and sizes that are sent, silence, and the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from testbed.sshd import Sshd
from testbed.tui.shell_pane import Host, border_subtitle, has_live_shells, hosted, task, text
from testbed.waiting import DEADLINE_S, until
from textual import events

from flow_core.errors import Conflict
from flow_core.providers.contract.access import Shell
from flow_core.ssh.host import SshHost
from flow_core.ssh.ssh_config import find_settings
from flow_tui.panes.shell.tab import OpenShell

ASKS = r"""stty raw -echo; printf '\033[>c\033[6n'; read -rsn1 -t1 key; printf 'got %q' "$key"; cat"""


class HostWithKeys(Host):
    """One with commands on letters, as the dashboard has them."""

    BINDINGS = [("k,q,w,c,h", "count", "count")]

    def __init__(self) -> None:
        super().__init__()
        self.commands = 0

    def action_count(self) -> None:
        self.commands += 1


def refusing_once(open_pty: Any) -> OpenShell:
    """Opens a shell from the second call on."""
    is_refused = False

    async def open_shell(columns: int, rows: int, _command: str | None = None) -> Any:
        nonlocal is_refused
        if not is_refused:
            is_refused = True
            raise Conflict("It is starting.")
        return await open_pty(columns, rows)

    return open_shell


@pytest.mark.needs("sshd")
async def test_closing_does_not_wait_for_a_silent_shell(tmp_path: Path) -> None:
    sshd = Sshd(tmp_path / "sshd")
    sshd.start()
    host = SshHost(await find_settings("far", config=sshd.config()))

    async def open_far(columns: int, rows: int, _command: str | None = None) -> Shell:
        return await host.open_shell(columns=columns, rows=rows, command="echo open; cat")

    try:
        async with hosted() as (app, _):
            await app.pane.enter(task(), open_far)
            await until(lambda: "open" in text(app.pane.front))
            sshd.pause()
            async with asyncio.timeout(DEADLINE_S):
                await app.pane.close()
            assert not has_live_shells(app.pane)
    finally:
        sshd.stop()
        await host.close()


@pytest.mark.parametrize("is_persistent", [False, True])
async def test_only_a_shell_that_is_not_kept_is_answered_what_it_asks_the_terminal(
    open_pty: Any, is_persistent: bool
) -> None:
    """tmux, which keeps shells, stops waiting for an answer, and then types it into the shell that it keeps."""

    async def ask(columns: int, rows: int, _command: str | None = None) -> Any:
        return await open_pty(columns, rows, ASKS)

    async with hosted() as (app, _):
        await app.pane.enter(task(), ask, is_persistent=is_persistent)
        await until(lambda: "got" in text(app.pane.front))
        assert ("got ''" in text(app.pane.front)) is is_persistent


async def test_what_is_typed_into_a_shell_that_is_over_does_nothing_and_leaves_it_the_keyboard(open_pty: Any) -> None:
    opened: list[Any] = []

    async def dying(columns: int, rows: int, _command: str | None = None) -> Any:
        opened.append(await open_pty(columns, rows, "read line" if not opened else None))
        return opened[-1]

    async with hosted(HostWithKeys()) as (app, pilot):
        await app.pane.enter(task(), dying)
        view = app.pane.front
        assert view is not None
        await until(lambda: view.is_live)
        await pilot.press(*"watch", "enter")
        await until(lambda: view.is_over)
        await pilot.press("space", *"squeue", "k", "q", "enter")
        assert view.has_focus
        assert app.pane.front is view
        assert isinstance(app, HostWithKeys)
        assert (app.commands, len(opened)) == (0, 1)

        async def press_enter() -> bool:
            await pilot.press("enter")
            return len(opened) == 2

        await until(press_enter)  # after a pause
        await until(lambda: "ready>" in text(view))
        assert "squeue" not in text(view)


async def test_a_shell_that_can_not_be_opened_keeps_the_keyboard_and_enter_tries_again(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), refusing_once(open_pty))
        view = app.pane.front
        assert view is not None
        assert view.has_focus
        assert view.captures_keys
        await pilot.press("enter")
        await until(lambda: "[press enter to reopen the shell]\nready>" in text(view))


async def test_text_pasted_while_a_shell_is_being_opened_is_typed_into_it(open_pty: Any) -> None:
    is_asked, may_open = asyncio.Event(), asyncio.Event()

    async def slow(columns: int, rows: int, _command: str | None = None) -> Any:
        is_asked.set()
        await may_open.wait()
        return await open_pty(columns, rows)

    async with hosted() as (app, pilot):
        opening = asyncio.create_task(app.pane.enter(task(), slow))
        await is_asked.wait()
        assert app.pane.front is not None
        app.pane.front.post_message(events.Paste("echo pas"))
        await pilot.press(*"ted", "enter")
        may_open.set()
        await opening
        await until(lambda: "\npasted\n" in text(app.pane.front))


async def test_escape_stops_waiting_for_a_shell_and_drops_what_was_typed_for_it(open_pty: Any) -> None:
    is_asked, may_open = asyncio.Event(), asyncio.Event()

    async def slow(columns: int, rows: int, _command: str | None = None) -> Any:
        is_asked.set()
        await may_open.wait()
        return await open_pty(columns, rows)

    async with hosted() as (app, pilot):
        opening = asyncio.create_task(app.pane.enter(task(), slow))
        await is_asked.wait()
        await until(lambda: "esc stop waiting" in border_subtitle(app))
        await pilot.press(*"ls", "escape")
        await opening
        view = app.pane.front
        assert view is not None
        assert "[No shell in train: you stopped waiting for the shell]\n[press enter to reopen the shell]" in text(view)
        assert view.has_focus
        may_open.set()

        async def press_enter() -> bool:
            await pilot.press("enter")
            return view.is_live

        await until(press_enter)
        await until(lambda: "ready>" in text(view))
        assert "ls" not in text(view)


async def test_what_is_typed_right_after_the_enter_that_opens_a_shell_again_goes_to_that_shell(open_pty: Any) -> None:
    async with hosted() as (app, _):
        await app.pane.enter(task(), refusing_once(open_pty))
        view = app.pane.front
        assert view is not None
        await until(lambda: view.has_focus)
        for key, character in (("enter", "\r"), *((letter, letter) for letter in "whoami"), ("enter", "\r")):
            view.post_message(events.Key(key, character))
        await until(lambda: "ready> whoami\n" in text(view))
