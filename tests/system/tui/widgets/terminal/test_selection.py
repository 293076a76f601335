"""Copying out of a terminal with the keys and with the mouse, and what a program may copy itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testbed.tui.press import press
from testbed.tui.terminal_view import Host, hosted, screen
from testbed.waiting import until
from textual import events
from textual.pilot import Pilot

from flow_tui.terminal.prefix import Command, KeyTarget
from flow_tui.widgets.terminal import TerminalView

Cell = tuple[int, int]


def copied(app: Host) -> list[str]:
    return [message.text for message in app.get(TerminalView.Copied)]


def marked(app: Host) -> list[tuple[int, str]]:
    """(row, text) of what is drawn in reverse, the cursor aside."""
    found = []
    for y in range(app.view.size.height):
        text = "".join(s.text for s in app.view.render_line(y) if s.style is not None and s.style.reverse)
        if text.strip():
            found.append((y, text.rstrip()))
    return found


async def drag(
    app: Host, pilot: Pilot[None], start: tuple[int, int], end: tuple[int, int], shift: bool = False
) -> None:
    await mouse(app, pilot, events.MouseDown, *start, shift)
    await mouse(app, pilot, events.MouseMove, *end, shift)
    await mouse(app, pilot, events.MouseUp, *end, shift)


async def mouse(
    app: Host, pilot: Pilot[None], kind: Callable[..., events.MouseEvent], x: int, y: int, shift: bool
) -> None:
    event = kind(app.view, x, y, 0, 0, 1, shift, False, False, x, y)
    event._set_forwarded()  # as from the screen, which would otherwise hand on what bubbles up to it
    app.view.post_message(event)
    await pilot.pause()


async def test_a_resize_keeps_copy_mode_and_what_is_selected(open_pty: Any) -> None:
    shell = await open_pty(command="seq -f 'line %g' 1 60; exec cat")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "line 60" in screen(app))
        await press(pilot, Command.COPY_MODE, "question_mark", *"line", "space", "7", "enter")
        await until(lambda: app.view.selection.mode is not None and app.view.selection.mode.prompt is None)
        await pilot.press("V", "j")
        await until(lambda: [text for _, text in marked(app)][:1] == ["line 7"])
        await pilot.resize_terminal(33, 9)
        await until(lambda: app.view.core is not None and app.view.core.cols == app.view.size.width < 34)
        assert app.view.key_input.target is KeyTarget.COPY_MODE
        await until(lambda: [text for _, text in marked(app)][:1] == ["line 7"])
        await pilot.press("y")
        await until(lambda: copied(app) == ["line 7\nline 8"])


async def test_text_is_taken_with_vi_keys_and_the_shell_has_its_keys_back(open_pty: Any) -> None:
    shell = await open_pty(command="seq -f 'line %g' 1 60; exec cat")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "line 60" in screen(app))
        await press(pilot, Command.COPY_MODE, "question_mark", *"line", "space", "7", "enter")
        await until(lambda: app.view.selection.mode is not None and app.view.selection.mode.prompt is None)
        await pilot.press("V", "j", "y")
        await until(lambda: copied(app) == ["line 7\nline 8"])
        await until(lambda: app.view.key_input.target is KeyTarget.SHELL and app.view.selection.scroll_position is None)
        assert shell.written == b""
        await pilot.press("x")
        await until(lambda: shell.written == b"x")


async def test_copy_mode_stays_on_its_text_while_output_goes_on(open_pty: Any) -> None:
    shell = await open_pty(command="seq 1 60; read -rsn1 < /dev/tty; seq 61 500; exec cat")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "\n60" in screen(app))
        await press(pilot, Command.COPY_MODE, "g", "v")
        await until(lambda: screen(app).startswith("1\n2"))
        await shell.write(b"x")
        await until(lambda: app.view.core is not None and app.view.core.scrollback_rows > 400)
        assert screen(app).startswith("1\n2")
        assert app.view.selection.scroll_position is not None
        await pilot.press("j", "y")
        await until(lambda: copied(app) == ["1\n2"])


async def test_a_drag_selects_and_copies_and_the_next_key_goes_to_the_shell(open_pty: Any) -> None:
    shell = await open_pty(command="printf 'alpha beta\\ngamma delta\\n'; exec cat")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "gamma" in screen(app))
        await drag(app, pilot, (6, 0), (4, 1))
        await until(lambda: copied(app) == ["beta\ngamma"])
        assert [row for row, _ in marked(app)] == [0, 1]
        await pilot.press("z")
        await until(lambda: shell.written == b"z" and app.view.selection.mode is None)


async def test_a_click_alone_copies_nothing(open_pty: Any) -> None:
    async with hosted(await open_pty(command="echo word; exec cat")) as (app, pilot):
        await until(lambda: "word" in screen(app))
        await pilot.click(TerminalView, offset=(1, 0))
        await pilot.pause()
        assert copied(app) == []
        assert app.view.selection.mode is None


async def test_two_clicks_take_a_word_and_three_the_line(open_pty: Any) -> None:
    async with hosted(await open_pty(command="echo see /usr/lib/x.so now; exec cat")) as (app, pilot):
        await until(lambda: "now" in screen(app))
        await pilot.click(TerminalView, offset=(8, 0), times=2)
        await until(lambda: copied(app) == ["/usr/lib/x.so"])
        await pilot.click(TerminalView, offset=(8, 0), times=3)
        await until(lambda: copied(app)[-1] == "see /usr/lib/x.so now")


async def test_a_program_with_the_mouse_keeps_it_unless_shift_is_held(open_pty: Any) -> None:
    shell = await open_pty(command=r"stty raw -echo; printf '\033[?1002;1006hsome text'; exec cat > /dev/null")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "some text" in screen(app))
        await drag(app, pilot, (0, 0), (3, 0))
        await until(lambda: shell.written == b"\x1b[<0;1;1M\x1b[<32;4;1M\x1b[<0;4;1m")
        assert copied(app) == []
        await drag(app, pilot, (5, 0), (8, 0), shift=True)
        await until(lambda: copied(app) == ["text"])
        assert shell.written.count(b"<") == 3


async def test_a_drag_past_the_edge_scrolls_and_goes_on_selecting(open_pty: Any) -> None:
    async with hosted(await open_pty(command="seq 1 80; exec cat")) as (app, pilot):
        await until(lambda: "\n80" in screen(app))
        await mouse(app, pilot, events.MouseDown, 0, 2, False)
        await mouse(app, pilot, events.MouseMove, 0, -1, False)
        await until(
            lambda: app.view.selection.scroll_position is not None and app.view.selection.scroll_position[0] > 5
        )
        await mouse(app, pilot, events.MouseUp, 0, -1, False)
        await until(lambda: copied(app))
        assert len(copied(app)[0].split("\n")) > 5


async def test_a_program_copies_only_after_a_yes(open_pty: Any) -> None:
    command = r"printf '\033]52;c;aGVsbG8=\007'; read -rsn1; printf '\033]52;c;YWdhaW4=\007'; exec cat"
    shell = await open_pty(command=command)
    async with hosted(shell) as (app, pilot):
        await until(lambda: app.view.signals.clipboard.waiting == "hello")
        assert copied(app) == []
        await press(pilot, Command.ALLOW_COPY)
        await until(lambda: copied(app) == ["hello"])
        await pilot.press("x")
        await until(lambda: copied(app) == ["hello", "again"])
        assert shell.written == b"x"


async def test_links_are_drawn_as_the_text_they_stand_under(open_pty: Any) -> None:
    command = r"printf '\033]8;;javascript:alert(1)\033\\click\033]8;;\033\\ plain'; exec cat"
    async with hosted(await open_pty(command=command)) as (app, _):
        await until(lambda: screen(app).startswith("click plain"))
        assert all(s.style is None or s.style.link is None for s in app.view.render_line(0))
