"""Copying, saving, opening and piping the log of a task."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from testbed.editor import FakeEditor
from testbed.tables import each
from testbed.tui.log_desk import log_desk, marked_row, shown_rows
from testbed.tui.press import press
from testbed.waiting import until
from textual.drivers import headless_driver
from textual.pilot import Pilot

from flow_core.errors import FlowError
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.pick import Pick
from flow_tui.panes.logs.actions import ACTIONS
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.logs.pipe_screen import PipeScreen
from flow_tui.panes.logs.save_form import SaveLogForm

TEXT = "red 1\n" + "".join(f"line {n}\n" for n in range(2, 61))
RAW = TEXT.replace("red", "\x1b[31mred\x1b[0m").encode()


def notices(pilot: Pilot[None]) -> list[str]:
    return [notice.message for notice in pilot.app._notifications]


async def test_lines_and_the_current_line_are_copied(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        await press(pilot, "logs.copy")
        await until(lambda: pilot.app.clipboard == "line 60")
        await press(pilot, "logs.select_lines", "logs.scroll_up", "logs.scroll_up")
        assert "selecting lines" in str(pane.border_title)
        await press(pilot, "logs.copy")
        await until(lambda: pilot.app.clipboard == "line 58\nline 59\nline 60")
        assert pane.view.selector.selection is None
        await press(pilot, "logs.scroll_home", "logs.select_lines", "logs.scroll_down")
        await pilot.press("escape")
        assert pane.view.selector.selection is None
        assert pane.has_focus_within
        await press(pilot, "logs.copy")
        await until(lambda: pilot.app.clipboard == "red 1")


async def test_the_mouse_copies_what_it_selects_and_ctrl_c_copies_it_again(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        await press(pilot, "logs.scroll_home")
        await pilot.mouse_down(pane.view, offset=(5, 0))
        await pilot.hover(pane.view, offset=(4, 1))
        await pilot.mouse_up(pane.view, offset=(4, 1))
        await until(lambda: pilot.app.clipboard == "1\nline")
        pilot.app.copy_to_clipboard("other")
        await pilot.press("ctrl+c")
        await until(lambda: pilot.app.clipboard == "1\nline")
        assert pane.view.selector.selection is None
        pilot.app.copy_to_clipboard("other")
        await pilot.press("ctrl+c")  # without a selection, the app gets the key
        assert pilot.app.clipboard == "other"


async def save(pilot: Pilot[None], path: Path, *keys: str) -> None:
    await press(pilot, "logs.save")
    await until(lambda: isinstance(pilot.app.screen, SaveLogForm) and pilot.app.screen.entered)
    form = pilot.app.screen
    assert isinstance(form, SaveLogForm)
    assert form.entered["path"] == "train.log"
    form.query_one("LineInput").value = str(path)  # type: ignore[attr-defined]
    await press(pilot, "tab", *keys, "form.send")


async def test_the_shown_text_selected_lines_and_the_raw_log_are_saved(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        assert pane.files is not None
        await save(pilot, tmp_path / "shown")
        await until(lambda: (tmp_path / "shown").exists())
        assert (tmp_path / "shown").read_text() == TEXT
        await until(lambda: any("saved" in notice for notice in notices(pilot)))
        await save(pilot, tmp_path / "raw", "right")
        await until(lambda: (tmp_path / "raw").exists())
        assert (tmp_path / "raw").read_bytes() == pane.files.log.read_bytes()
        await press(pilot, "logs.scroll_home", "logs.select_lines", "logs.scroll_down")
        await save(pilot, tmp_path / "lines")
        await until(lambda: (tmp_path / "lines").exists())
        assert (tmp_path / "lines").read_text() == "red 1\nline 2\n"


async def test_with_filters_the_lines_that_pass_are_saved_and_piped(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        await press(pilot, "logs.keep_lines", *"line 5", "enter")
        await until(lambda: shown_rows(pane)[:2] == ["line 5", "line 50"])
        await save(pilot, tmp_path / "kept")
        await until(lambda: (tmp_path / "kept").exists())
        kept = [f"line {n}" for n in (5, *range(50, 60))]
        assert (tmp_path / "kept").read_text().splitlines() == kept
        screen = await run_command(pane, pilot, "tail -2")
        assert "lines that pass the filters | tail -2" in str(screen.query_one("Vertical").border_title)
        await until(lambda: output(screen) == [" line 58", " line 59"])


async def test_a_file_is_replaced_only_after_a_question(tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_text("mine")
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        await save(pilot, target)
        await until(lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("escape")
        await until(lambda: isinstance(pilot.app.screen, SaveLogForm))
        assert target.read_text() == "mine"
        await press(pilot, "form.send")
        await until(lambda: isinstance(pilot.app.screen, Confirm))
        await press(pilot, "confirm.agree")
        await until(lambda: target.read_text() == TEXT)
        await until(lambda: pane.view.has_focus)


@each(
    "path, problem",
    [
        ("", "enter a path"),
        ("/", "this is a folder"),
        ("/none/log", "no folder /none"),
        ("/dev/null", "not a regular file"),
        ("~nobody-here/x", "no such user"),
    ],
)
async def test_a_path_that_can_t_be_written_is_refused_in_the_form(path: str, problem: str) -> None:
    form = SaveLogForm("", ["shown text"])
    with pytest.raises(FlowError, match=problem):
        await form.confirm({"path": path, "what": "shown text"})


async def run_command(pane: LogsPane, pilot: Pilot[None], command: str, *keys: str) -> PipeScreen:
    await press(pilot, "logs.pipe", *keys)
    pane.row.input.value = command
    await pilot.press("enter")
    await until(lambda: isinstance(pilot.app.screen, PipeScreen))
    screen = pilot.app.screen
    assert isinstance(screen, PipeScreen)
    return screen


def output(screen: PipeScreen) -> list[str]:
    rows = [screen.view.render_line(y).text for y in range(screen.view.size.height)]
    return [row.rstrip() for row in rows if row.strip()]


async def test_a_command_gets_the_shown_text_or_the_raw_log(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        screen = await run_command(pane, pilot, "head -1 | od -c | head -1; echo bad >&2; exit 3")
        await until(lambda: len(output(screen)) == 2, explain=lambda: output(screen))
        dumped, error = sorted(output(screen))
        assert (dumped.split(), error) == (["0000000", *"red", "1", r"\n"], "▌bad")
        await until(lambda: "exit 3" in str(screen.query_one("Vertical").border_subtitle))
        await press(pilot, "logs.copy")
        await until(lambda: "red" in pilot.app.clipboard or "bad" in pilot.app.clipboard)
        await pilot.press("escape")
        await until(lambda: pane.view.has_focus)
        screen = await run_command(pane, pilot, "head -1 | cut -c3-5", "ctrl+r")
        await until(lambda: output(screen) == [" 31m"] or output(screen) == [" 1m"], explain=lambda: output(screen))
        await pilot.press("escape")
        await press(pilot, "logs.scroll_home", "logs.scroll_down", "logs.select_lines", "logs.scroll_down")
        screen = await run_command(pane, pilot, "cat")
        await until(lambda: output(screen) == [" line 2", " line 3"])


async def test_closing_the_output_ends_the_command_and_all_its_processes(tmp_path: Path) -> None:
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        pids = tmp_path / "pids"
        command = f"sleep 600 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; wait"
        screen = await run_command(pane, pilot, command)
        await until(pids.exists)
        folder = screen._piped.files.log.parent
        await pilot.press("escape")
        await until(lambda: pane.view.has_focus)
        for pid in pids.read_text().split():
            await until(lambda pid=pid: not is_running(int(pid)))  # type: ignore[misc]
        await until(lambda: not folder.exists())


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_no_command_runs_in_read_only_mode() -> None:
    assert {action.id for action in ACTIONS if action.changes} == {"logs.pipe"}


class Terminal(headless_driver.HeadlessDriver):
    """A terminal that can be handed over."""

    @property
    def can_suspend(self) -> bool:
        return True

    def suspend_application_mode(self) -> None: ...

    def resume_application_mode(self) -> None: ...


async def test_the_log_opens_in_the_pager_and_a_copy_in_the_editor_at_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = FakeEditor(tmp_path)
    monkeypatch.setattr(headless_driver, "HeadlessDriver", Terminal)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", shlex.quote(str(program.path)))
    monkeypatch.setenv("PAGER", shlex.quote(str(program.path)) + " -x")
    async with log_desk(tmp_path, RAW) as (pane, pilot):
        await press(pilot, "logs.go_to", *"30", "enter")
        await until(lambda: marked_row(pane) == "line 30")
        for count, keys in ((1, ["enter"]), (2, ["j", "enter"])):
            await press(pilot, "logs.open")
            await until(lambda: isinstance(pilot.app.screen, Pick))
            await pilot.press(*keys)
            await until(lambda count=count: len(program.seen) == count and pane.view.has_focus)  # type: ignore[misc]
        pager, editor = program.seen
        assert pane.files is not None
        assert (pager["path"], pager["arguments"]) == (str(pane.files.log), ["-x"])
        assert (editor["text"], editor["arguments"]) == (TEXT, ["+30"])
        assert editor["modes"] == [0o400, 0o700]
        await until(lambda: not Path(editor["path"]).parent.exists())
        assert "line 30" in shown_rows(pane)
