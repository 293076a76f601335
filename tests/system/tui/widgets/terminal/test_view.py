"""The terminal view against a real shell: keys, frames, floods, and what stays ours."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
import time
from typing import Any

import pytest
from testbed.tui.press import press
from testbed.tui.terminal_view import Host, hosted, screen
from testbed.waiting import until
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static

from flow_tui.terminal.prefix import Command, KeyTarget
from flow_tui.widgets.terminal import TerminalView


async def type_line(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("space" if c == " " else c for c in text), "enter")


async def test_what_is_typed_is_run_and_its_output_is_shown(open_pty: Any) -> None:
    async with hosted(await open_pty()) as (app, pilot):
        await until(lambda: "ready>" in screen(app))
        await type_line(pilot, "echo $((6*7))")
        await until(lambda: "\n42\n" in screen(app))


async def test_control_c_interrupts_and_tab_completes_in_the_shell(open_pty: Any) -> None:
    async with hosted(await open_pty()) as (app, pilot):
        await until(lambda: "ready>" in screen(app))
        await type_line(pilot, "sleep 100")
        await until(lambda: "sleep 100" in screen(app))
        await pilot.press("ctrl+c")
        await until(lambda: re.search(r"\^C[\s\S]*ready>", screen(app)))
        await pilot.press(*"readonl", "tab")
        await until(lambda: "ready> readonly" in screen(app))
        assert app.view.has_focus


async def test_keys_of_the_app_reach_the_shell_instead(open_pty: Any) -> None:
    shell = await open_pty(command="stty raw -echo; echo go; exec cat -v")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "go" in screen(app))
        await pilot.press("ctrl+q", "ctrl+p", "escape", "tab", "shift+tab", "f1", "up", "ctrl+circumflex_accent")
        await until(lambda: shell.written == b"\x11\x10\x1b\t\x1b[Z\x1bOP\x1b[A\x1e")
        assert app.is_running
        assert app.screen_stack == [app.screen]
        assert app.view.has_focus


async def test_the_prefix_then_escape_leaves(open_pty: Any) -> None:
    shell = await open_pty()
    async with hosted(shell) as (app, pilot):
        for last in ("escape", "enter"):
            app.heard.clear()
            await pilot.press("ctrl+right_square_bracket", last)
            await until(lambda: app.asked(Command.LEAVE))
        assert app.view.key_input.target is KeyTarget.SHELL
        assert shell.written == b""


async def test_the_prefix_alone_leaves_after_two_seconds(open_pty: Any) -> None:
    async with hosted(await open_pty()) as (app, pilot):
        started = time.monotonic()
        await pilot.press("ctrl+right_square_bracket")
        await until(lambda: app.asked(Command.LEAVE))
        assert time.monotonic() - started > 1.5


async def test_the_prefix_twice_is_sent_and_other_keys_ask_the_app(open_pty: Any) -> None:
    shell = await open_pty()
    prefix = "ctrl+right_square_bracket"
    async with hosted(shell) as (app, pilot):
        await pilot.press(prefix, prefix)
        await until(lambda: shell.written == b"\x1d")
        await pilot.press(prefix, "k", prefix, "z", prefix, "question_mark", prefix, "4", prefix, "j")
        await until(lambda: app.asked(Command.PANE))
        assert app.asked(Command.CLOSE)
        assert app.asked(Command.ZOOM)
        assert app.asked(Command.HELP)
        assert app.asked(Command.PANE) == [TerminalView.CommandRequested(app.view, Command.PANE, 4)]
        assert shell.written == b"\x1d"
        assert app.view.key_input.target is KeyTarget.SHELL


async def test_the_scrollback_is_read_with_keys_and_left_with_q(open_pty: Any) -> None:
    shell = await open_pty(command="seq 1 100; cat")
    async with hosted(shell) as (app, pilot):
        await until(lambda: "100" in screen(app))
        await press(pilot, Command.COPY_MODE, "g")
        await until(lambda: screen(app).startswith("1\n2\n"))
        await pilot.press("pagedown", "down")
        height = app.view.size.height
        await until(lambda: screen(app).startswith(f"{height}\n"))
        await pilot.press("up", "G")
        await until(lambda: "100" in screen(app))
        await pilot.press("pageup", "q")
        await until(lambda: app.view.key_input.target is KeyTarget.SHELL and "100" in screen(app))
        assert shell.written == b""


async def test_a_resize_reaches_the_terminal_and_the_far_side(open_pty: Any) -> None:
    async with hosted(await open_pty()) as (app, pilot):
        await until(lambda: "ready>" in screen(app))
        await pilot.resize_terminal(91, 33)
        await until(lambda: app.view.core is not None and app.view.core.cols == 91)
        await type_line(pilot, "stty size")
        await until(lambda: f"\n{app.view.size.height} 91\n" in screen(app))


async def test_a_full_screen_program_takes_the_screen_and_gives_it_back(open_pty: Any) -> None:
    script = r"printf 'before\n\033[?1049h\033[2J\033[5;3Hmenu\033[?1h'; read -rsn3 key; "
    script += r"printf '\033[?1049l'; echo ${key:1}"
    shell = await open_pty(command=script)
    async with hosted(shell) as (app, pilot):
        await until(lambda: screen(app).split("\n")[4] == "  menu")
        assert "before" not in screen(app)
        await pilot.press("up")
        await until(lambda: "before\nOA" in screen(app))


async def test_a_flood_arrives_whole_while_the_loop_stays_responsive(open_pty: Any) -> None:
    shell = await open_pty(command="seq 1 200000; echo over")
    async with hosted(shell) as (app, _):
        lags: list[float] = []

        async def watch() -> None:
            while app.view.is_live:
                before = time.perf_counter()
                await asyncio.sleep(0.005)
                lags.append(time.perf_counter() - before - 0.005)

        await asyncio.gather(watch(), until(lambda: app.get(TerminalView.Ended)))
        assert shell.bytes_read == sum(len(str(n)) + 2 for n in range(1, 200_001)) + len("over\r\n")
        assert "200000\nover\n[exit code 0: " in screen(app)
        assert max(lags) < 0.5
        assert sorted(lags)[len(lags) // 2] < 0.1


@pytest.mark.parametrize("core", ["bittty", pytest.param("ghostty", marks=pytest.mark.needs("pyghostty"))])
async def test_noise_does_no_harm(open_pty: Any, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_TERMINAL_CORE", core)
    script = "import random, sys; sys.stdout.buffer.write(random.Random(7).randbytes(200_000))"
    noise = shlex.join([sys.executable, "-c", script])
    async with hosted(await open_pty(command=f"{noise}; exit 3")) as (app, _):
        await until(lambda: app.get(TerminalView.Ended))
        assert app.get(TerminalView.Ended) == [TerminalView.Ended(app.view, 3)]
        assert "[exit code 3: " in screen(app)


async def test_the_end_of_a_shell_is_shown_and_keeps_the_keys(open_pty: Any) -> None:
    async with hosted(await open_pty(command="printf 'no newline'; exit 7")) as (app, pilot):
        await until(lambda: app.get(TerminalView.Ended))
        assert screen(app).startswith("no newline\n[exit code 7: ")
        assert app.view.captures_keys
        await pilot.press("tab")
        assert app.view.has_focus


async def test_a_hostile_title_is_plain_text(open_pty: Any) -> None:
    async with hosted(await open_pty(command=r"printf '\033]0;[red]x[/nope] \033]0;[b]$(id)[/x]\007'; cat")) as (
        app,
        _,
    ):
        await until(lambda: app.view.signals.title)
        assert app.view.signals.title == "[b]$(id)[/x]"


async def test_the_bell_rings_once_a_second_at_most(open_pty: Any) -> None:
    command = r"for i in 1 2 3 4 5 6; do printf '\a'; sleep 0.02; done; echo done; cat"
    async with hosted(await open_pty(command=command)) as (app, _):
        await until(lambda: "done" in screen(app))
        assert app.bells == 1


async def test_several_lines_are_pasted_only_with_consent(open_pty: Any) -> None:
    shell = await open_pty(command="stty raw -echo; echo go; exec cat -v")
    async with hosted(shell) as (app, _):
        await until(lambda: "go" in screen(app))
        paste(app, "echo one")
        await until(lambda: shell.written == b"echo one")
        paste(app, "rm a\nrm b")
        await until(lambda: app.get(TerminalView.PasteNeedsConsent))
        assert shell.written == b"echo one"
        app.view.send_paste("rm a\nrm b")
        await until(lambda: shell.written == b"echo onerm a\rrm b")


async def test_a_bracketed_paste_is_marked_and_cleaned(open_pty: Any) -> None:
    shell = await open_pty(command=r"stty raw -echo; printf '\033[?2004hgo'; exec cat -v")
    async with hosted(shell) as (app, _):
        await until(lambda: "go" in screen(app))
        paste(app, "a\nb\x1b[201~c")
        await until(lambda: shell.written == b"\x1b[200~a\rb[201~c\x1b[201~")


def paste(app: Host, text: str) -> None:
    app.view.post_message(events.Paste(text))


async def test_the_mouse_is_reported_where_asked_and_scrolls_otherwise(open_pty: Any) -> None:
    shell = await open_pty(
        command=r"stty raw -echo; seq -f '%g' -s $'\r\n' 1 60; read -rsn1; printf '\033[?1000;1006hgo'; cat"
    )
    async with hosted(shell) as (app, pilot):
        await until(lambda: "\n60" in screen(app))
        await scroll_up(app, pilot)
        assert app.view.core is not None
        await until(lambda: app.view.core is not None and app.view.core.scroll_offset == 3)
        await pilot.press("x")
        await until(lambda: "go" in screen(app))
        await pilot.click(TerminalView, offset=(4, 2))
        await until(lambda: shell.written == b"x\x1b[<0;5;3M\x1b[<0;5;3m")
        await scroll_up(app, pilot)
        await until(lambda: shell.written.endswith(b"\x1b[<64;2;2M"))


async def scroll_up(app: Host, pilot: Pilot[None]) -> None:
    app.view.post_message(events.MouseScrollUp(app.view, 1, 1, 0, -1, 0, False, False, False, 1, 1))
    await pilot.pause()


async def test_the_cursor_stands_where_the_shell_put_it(open_pty: Any) -> None:
    async with hosted(await open_pty(command=r"printf 'ab\033[1;2H'; cat")) as (app, _):
        await until(lambda: screen(app).startswith("ab"))
        segments = list(app.view.render_line(0))
        reversed_text = [s.text for s in segments if s.style is not None and s.style.reverse]
        assert reversed_text == ["b"]


@pytest.mark.parametrize(
    ("key", "raw", "sent"),
    [
        ("ctrl+left", "\x1bb", b"\x1bb"),
        ("ctrl+w", "\x1b\x7f", b"\x1b\x7f"),
        ("enter", "\x1b\r", b"\x1b\r"),
        ("backspace", "\x08", b"\x08"),
        ("backspace", "\x7f", b"\x7f"),
        ("ctrl+left", "\x1b[1;5D", b"\x1b[1;5D"),
        ("alt+b", "\x1b[98;3u", b"\x1bb"),
    ],
)
async def test_a_key_goes_out_as_it_came_in(open_pty: Any, key: str, raw: str, sent: bytes) -> None:
    shell = await open_pty(command="stty raw -echo; exec cat")
    async with hosted(shell) as (app, _):
        event = events.Key(key, None)
        event.raw_sequence = raw  # type: ignore[attr-defined]
        app.view.post_message(event)
        await until(lambda: shell.written == sent)


async def test_an_update_that_is_never_finished_is_shown_all_the_same(open_pty: Any) -> None:
    async with hosted(await open_pty(command=r"printf '\033[?2026hstuck'; cat")) as (app, _):
        await until(lambda: screen(app).startswith("stuck"))


async def test_a_finished_update_is_shown_whole(open_pty: Any) -> None:
    command = r"printf 'before'; read -rsn1; printf '\033[?2026h\033[2K\rhalf'; "
    command += r"read -rsn1; printf ' whole\033[?2026l'; cat"
    async with hosted(await open_pty(command=command)) as (app, pilot):
        await until(lambda: screen(app).startswith("before"))
        await pilot.press("a", "b")
        await until(lambda: screen(app).startswith("half whole"))


async def test_a_new_theme_repaints_what_is_shown(open_pty: Any) -> None:
    async with hosted(await open_pty(command="echo text; cat")) as (app, _):
        await until(lambda: screen(app).startswith("text"))
        before = background(app)
        app.theme = "textual-light"
        await until(lambda: background(app) != before)


def background(app: Host) -> object:
    style = next(iter(app.view.render_line(0))).style
    return style.bgcolor if style is not None else None


async def test_the_focus_is_reported_where_asked(open_pty: Any) -> None:
    shell = await open_pty(command=r"stty raw -echo; printf '\033[?1004hgo'; cat")
    async with hosted(shell) as (app, _):
        await until(lambda: "go" in screen(app))
        app.query_one(Input).focus()
        await until(lambda: shell.written == b"\x1b[O")
        app.view.focus()
        await until(lambda: shell.written == b"\x1b[O\x1b[I")


class DrawnHost(Host):
    """Keeps what is drawn once `stop_timer` was called, after which the timer of the screen draws nothing."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.drawn: list[Any] | None = None

    def stop_timer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self.screen._update_timer, "resume", lambda: None)
        self.drawn = []

    def _display(self, screen: Any, renderable: Any) -> None:
        if self.drawn is not None and renderable is not None:
            self.drawn.append(renderable)
        super()._display(screen, renderable)


async def test_output_is_drawn_without_waiting_for_the_timer_of_the_screen(
    open_pty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = await open_pty()
    app = DrawnHost(shell)
    async with hosted(shell, app=app) as (_, pilot):
        await until(lambda: "ready>" in screen(app))
        await pilot.pause()
        app.stop_timer(monkeypatch)
        await shell.write(b"x")
        await until(lambda: "ready> x" in screen(app))
        await until(lambda: app.drawn)
        assert app.drawn is not None
        (row,) = {y for update in app.drawn for y, _, _ in update.spans}
        (strip,) = app.drawn[-1].chops[row].values()
        assert strip.text.startswith("ready> x")
        assert strip.cell_length == app.view.size.width


async def test_output_behind_another_widget_is_left_to_the_timer_of_the_screen(
    open_pty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = await open_pty()
    app = DrawnHost(shell)
    async with hosted(shell, app=app) as (_, pilot):
        await until(lambda: "ready>" in screen(app))
        cover = Static("in front")
        cover.styles.width, cover.styles.height, cover.styles.overlay = 5, 1, "screen"
        await app.mount(cover, before=app.view)
        await until(lambda: cover.region.overlaps(app.view.region))
        await pilot.pause()
        app.stop_timer(monkeypatch)
        await shell.write(b"x")
        await until(lambda: "ready> x" in screen(app))
        assert app.drawn == []
        assert app.view._repaint_regions


async def test_nothing_is_scheduled_while_nothing_happens(open_pty: Any) -> None:
    async with hosted(await open_pty(command="echo text; cat")) as (app, pilot):
        await until(lambda: screen(app).startswith("text"))
        await until(lambda: app.view._schedule._timer is None and app.view._resize_timer is None)
        painted = app.view._schedule._painted_at
        await pilot.pause(0.2)
        assert app.view._schedule._painted_at == painted


async def test_a_far_side_that_breaks_is_a_sentence_in_the_view(open_pty: Any) -> None:
    shell = await open_pty(command="printf 'half a li'; exec sleep 300")
    shell.lost_after, shell.loss = b"half a li", "The connection to lab was lost.\x1b[2J"
    async with hosted(shell) as (app, _):
        await until(lambda: app.get(TerminalView.Ended))
        assert screen(app).startswith(
            "half a li\n[The connection to lab was lost.\\x1b[2J]\n[connection lost: press enter to reopen the shell]"
        )


@pytest.mark.needs("less")
async def test_a_real_pager_runs_with_keys_and_wheel(open_pty: Any) -> None:
    shell = await open_pty(command="cd $(mktemp -d); seq 1 200 > n; less n; rm n")
    async with hosted(shell) as (app, pilot):
        await until(lambda: screen(app).startswith("1\n2\n"))
        await pilot.press("down", "down")
        await until(lambda: screen(app).startswith("3\n4\n"))
        await scroll_up(app, pilot)
        await until(lambda: screen(app).startswith("1\n2\n"))
        await pilot.press("G")
        await until(lambda: "\n200\n" in screen(app))
        await pilot.press("q")
        await until(lambda: app.get(TerminalView.Ended))
        assert "[exit code 0: " in screen(app)
