"""The shell pane: opening, finding again, failing, closing."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.tui.press import press
from testbed.tui.shell_pane import Host, border_subtitle, border_text, has_live_shells, hosted, task, text
from testbed.waiting import until
from textual.widgets import Input, Static

from flow_core.config import state_dir
from flow_core.errors import Conflict, Unreachable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.terminal.cast_reader import read_cast
from flow_tui.terminal.prefix import Command
from flow_tui.widgets.shell_tabs import Tabs
from flow_tui.widgets.terminal import TerminalView


def notice(app: Host) -> str:
    return str(app.query_one("#shell-notice", Static).render())


async def test_an_empty_pane_says_how_to_fill_it() -> None:
    async with hosted() as (app, _):
        assert notice(app) == "No shell is open. Press s on a running task to open one."
        assert app.pane.border_title == "Shell"
        assert not has_live_shells(app.pane)


async def test_entering_opens_a_shell_of_the_panes_real_size_and_focuses_it(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), open_pty)
        await until(lambda: "ready>" in text(app.pane.front))
        assert app.pane.front is not None
        assert app.pane.front.has_focus
        assert has_live_shells(app.pane)
        await pilot.press(*"stty", "space", *"size", "enter")
        size = app.pane.front.size
        await until(lambda: f"\n{size.height} {size.width}\n" in text(app.pane.front))
        assert size.width == 68


async def test_a_living_shell_is_found_again_and_survives_being_left(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), open_pty)
        first = app.pane.front
        await until(lambda: "ready>" in text(first))
        app.query_one(Input).focus()
        await pilot.pause()
        assert has_live_shells(app.pane)
        await app.pane.enter(task(), open_pty)
        await pilot.pause()
        assert app.pane.front is first
        assert first is not None
        assert first.has_focus


async def test_each_task_keeps_its_own_shell(open_pty: Any) -> None:
    async with hosted() as (app, _):
        await app.pane.enter(task("one", "t1"), open_pty)
        one = app.pane.front
        await app.pane.enter(task("two", "t2"), open_pty)
        two = app.pane.front
        await until(lambda: "ready>" in text(two))
        assert one is not two
        assert one is not None
        assert not one.display
        await app.pane.enter(task("one", "t1"), open_pty)
        assert app.pane.front is one
        assert one.display
        assert app.pane.border_title == "Shell  task one"
        await app.pane.close_front()
        assert app.pane.front is two


async def test_a_shell_that_cannot_be_opened_is_a_sentence_in_the_pane() -> None:
    async def refuse(_columns: int, _rows: int, _command: str | None = None) -> Any:
        raise Conflict("The task [red]has ended[/oops].")

    async with hosted() as (app, _):
        await app.pane.enter(task(), refuse)
        assert text(app.pane.front).startswith(
            "[No shell in train: The task [red]has ended[/oops].]\n[press enter to reopen the shell]"
        )
        assert not has_live_shells(app.pane)


async def test_a_failure_is_seen_even_where_another_shell_lives(open_pty: Any) -> None:
    async def refuse(_columns: int, _rows: int, _command: str | None = None) -> Any:
        raise Conflict("It has ended.")

    async with hosted() as (app, _):
        await app.pane.enter(task("one", "t1"), open_pty)
        await app.pane.enter(task("two", "t2"), refuse)
        assert "[No shell in two: It has ended.]" in text(app.pane.front)
        assert has_live_shells(app.pane)
        await app.pane.enter(task("one", "t1"), open_pty)
        assert "No shell" not in text(app.pane.front)


async def test_foreign_names_and_titles_in_the_border_are_plain_text(open_pty: Any) -> None:
    async def titled(columns: int, rows: int, _command: str | None = None) -> Any:
        return await open_pty(columns, rows, command=r"printf '\033]2;[blink]t[/x]\007'; cat")

    async with hosted() as (app, pilot):
        await app.pane.enter(task("[red]n[/nope]\x1b[2J"), titled)
        await until(lambda: app.pane.front is not None and app.pane.front.signals.title)
        await pilot.pause()
        assert "Shell  task [red]n[/nope][2J  [blink]t[/x]" in border_text(app)


async def test_the_way_out_of_a_shell_is_in_the_border_and_the_prefix_says_more(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        assert border_subtitle(app) == ""
        await app.pane.enter(task(), open_pty)
        await until(lambda: app.pane.front is not None and app.pane.front.captures_keys)
        await pilot.press("ctrl+right_square_bracket")
        await until(lambda: "k close" in border_subtitle(app))
        await pilot.press("z")
        await until(lambda: border_subtitle(app) == "ctrl+] leave")
        assert app.pane.styles.border_top[0] == "heavy"


async def test_an_ended_shell_stays_to_be_read_and_another_goes_on_below_it(open_pty: Any) -> None:
    async with hosted() as (app, _):
        await app.pane.enter(task(), lambda c, r, _: open_pty(c, r, command="echo last words; exit 4"))
        await until(lambda: "last words\n[exit code 4: press enter to reopen the shell]" in text(app.pane.front))
        await until(lambda: not has_live_shells(app.pane))
        first = app.pane.front
        await app.pane.enter(task(), open_pty)
        await until(lambda: "reopen the shell]\nready>" in text(app.pane.front))
        assert app.pane.front is first
        assert len(app.query(TerminalView)) == 1


async def test_closing_all_hangs_up_every_shell(open_pty: Any) -> None:
    opened = []

    async def remember(columns: int, rows: int, _command: str | None = None) -> Any:
        opened.append(await open_pty(columns, rows))
        return opened[-1]

    async with hosted() as (app, _):
        for number in range(3):
            await app.pane.enter(task(f"n{number}", f"t{number}"), remember)
        await until(lambda: "ready>" in text(app.pane.front))
        await app.pane.close()
        assert [shell.is_closed for shell in opened] == [True, True, True]
        assert not has_live_shells(app.pane)
        assert notice(app) == "No shell is open. Press s on a running task to open one."


async def test_the_app_can_end_while_a_shell_lives(open_pty: Any) -> None:
    shell = await open_pty()

    async def hand_over(_columns: int, _rows: int, _command: str | None = None) -> Any:
        return shell

    app = Host()
    async with app.run_test():
        await app.pane.enter(task(), hand_over)
        await until(lambda: "ready>" in text(app.pane.front))
    assert shell.is_closed


def tab_texts(app: Host) -> list[str]:
    return [("*" if tab.is_front else "") + tab.text for tab in app.query_one(Tabs).tabs]


async def test_another_shell_like_this_opens_beside_it_and_the_prefix_goes_round(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), open_pty)
        await until(lambda: "ready>" in text(app.pane.front))
        assert not app.query_one(Tabs).display
        first = app.pane.front
        await press(pilot, Command.ANOTHER)
        await until(lambda: app.pane.front is not first and "ready>" in text(app.pane.front))
        assert tab_texts(app) == ["1 train", "*2 train"]
        assert app.query_one(Tabs).display
        second = app.pane.front
        await press(pilot, Command.NEXT)
        await until(lambda: app.pane.front is first)
        assert first is not None
        assert first.has_focus
        await press(pilot, Command.PREVIOUS)
        await until(lambda: app.pane.front is second)
        await pilot.click(Tabs, offset=(2, 0))
        await until(lambda: app.pane.front is first)
        await app.pane.close_front()
        await until(lambda: app.pane.front is second and second is not None and second.has_focus)
        assert tab_texts(app) == ["*1 train"]


async def test_a_kept_shell_is_another_one_its_tab_says_so_and_it_is_asked_for_by_its_command(open_pty: Any) -> None:
    commands: list[str | None] = []

    async def remember(columns: int, rows: int, command: str | None = None) -> Any:
        commands.append(command)
        return await open_pty(columns, rows)

    async with hosted() as (app, pilot):
        await app.pane.enter(task(), remember)
        await until(lambda: "ready>" in text(app.pane.front))
        assert app.pane.has_shells_to_lose
        await press(pilot, Command.KEEP)
        await until(lambda: tab_texts(app) == ["1 train", "*2 train persistent"])
        await until(lambda: "ready>" in text(app.pane.front))
        assert border_text(app) == "Shell  task train  persistent"
        await press(pilot, Command.KEEP)
        await press(pilot, Command.ANOTHER)
        await until(lambda: tab_texts(app) == ["1 train", "2 train persistent", "*3 train"])
        await until(lambda: "ready>" in text(app.pane.front))
        await app.pane.enter(task(), remember, is_persistent=True)
        assert tab_texts(app) == ["1 train", "*2 train persistent", "3 train"]
        await app.pane.close_front()
        await app.pane.enter(task(), remember, is_persistent=True)
        await until(lambda: "ready>" in text(app.pane.front))
        assert tab_texts(app) == ["1 train", "2 train", "*3 train persistent"]
        for _ in range(2):
            await app.pane.enter(task(), remember)
            await app.pane.close_front()
        assert tab_texts(app) == ["*1 train persistent"]
        assert has_live_shells(app.pane)
        assert not app.pane.has_shells_to_lose
    assert commands == [None, commands[1], None, commands[1]]
    assert "tmux" in (commands[1] or "")


async def test_each_node_of_a_task_has_shells_of_its_own(open_pty: Any) -> None:
    pair = TaskRecord("local", "t1", "pair", TaskStatus.RUNNING, num_instances=2)
    async with hosted() as (app, _):
        await app.pane.enter(pair, open_pty, 0)
        zero = app.pane.front
        await app.pane.enter(pair, open_pty, 1)
        await until(lambda: app.pane.list_open_nodes(pair) == {0, 1})
        assert tab_texts(app) == ["1 pair node 0", "*2 pair node 1"]
        await app.pane.enter(pair, open_pty, 0)
        assert app.pane.front is zero


async def test_enter_connects_again_after_a_lost_link_and_what_was_read_stays(open_pty: Any) -> None:
    shells: list[Any] = []

    async def shaky(columns: int, rows: int, _command: str | None = None) -> Any:
        shell = await open_pty(columns, rows)
        if not shells:
            shell.lost_after = b"ready>"
        elif len(shells) == 1:
            shells.append(None)
            raise Unreachable("lab does not answer")
        shells.append(shell)
        return shell

    async with hosted() as (app, pilot):
        await app.pane.enter(task(), shaky)
        await until(lambda: "[connection lost: press enter to reopen the shell]" in text(app.pane.front))
        await until(lambda: not has_live_shells(app.pane))
        assert "ready>\n[the link to lab was lost]" in text(app.pane.front)
        await until(lambda: "enter reopen" in border_subtitle(app))
        await pilot.press("enter")
        await until(lambda: "[lab does not answer]" in text(app.pane.front))
        await pilot.press("enter")
        await until(lambda: text(app.pane.front).count("ready>") == 2)
        assert "[the link to lab was lost]" in text(app.pane.front)
        await pilot.press(*"echo", "space", *"$((6*7))", "enter")
        await until(lambda: "\n42\n" in text(app.pane.front))


async def test_a_bell_out_of_sight_marks_the_tab_until_it_is_looked_at(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task("one", "t1"), lambda c, r, _: open_pty(c, r, command="read x; printf '\\a'; cat"))
        bell = app.pane.front
        await app.pane.enter(task("two", "t2"), open_pty)
        await until(lambda: "ready>" in text(app.pane.front))
        assert bell is not None
        await until(lambda: bell.is_live)
        bell._io.send(b"\n")
        await until(lambda: tab_texts(app) == ["1 one !", "*2 two"])
        await press(pilot, Command.NEXT)
        await until(lambda: tab_texts(app) == ["*1 one", "2 two"])


async def test_a_bell_of_the_shell_in_front_flashes_the_border(open_pty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_tui.widgets.terminal.shell_signals._FLASH_S", 2.0)  # a busy machine may look seldom
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), lambda c, r, _: open_pty(c, r, command="read x; printf '\\a'; cat"))
        await until(lambda: app.pane.front is not None and app.pane.front.is_live and app.pane.front.has_focus)
        await pilot.press("enter")
        await until(lambda: app.pane.has_class("-rung"))
        await until(lambda: not app.pane.has_class("-rung"))


async def test_a_recording_is_marked_and_can_be_played(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), open_pty)
        await until(lambda: "ready>" in text(app.pane.front))
        await press(pilot, Command.RECORD)
        await until(lambda: "● REC" in border_text(app))
        assert app.pane.has_class("-recording")
        await pilot.press(*"echo", "space", *"$((6*7))", "enter")
        await until(lambda: "\n42\n" in text(app.pane.front))
        await press(pilot, Command.RECORD)
        await until(lambda: "● REC" not in border_text(app))
        (file,) = (state_dir() / "recordings").glob("t1-*.cast")
        assert file.stat().st_mode & 0o777 == 0o600
        said = b"".join(event.output for event in read_cast(file).events)
        assert b"ready>" in said.partition(b"echo")[0]
        assert b"42" in said


async def test_a_shell_that_ends_ends_its_recording(open_pty: Any) -> None:
    async with hosted() as (app, pilot):
        await app.pane.enter(task(), open_pty)
        await until(lambda: "ready>" in text(app.pane.front))
        await press(pilot, Command.RECORD, *"exit", "enter")
        await until(lambda: not has_live_shells(app.pane) and "● REC" not in border_text(app))
        assert any("recorded in" in note.message for note in app._notifications)
