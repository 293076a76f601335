"""All ranks of a task in one view, with the logs of other tasks."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.tui.log_desk import marked_row, status
from testbed.tui.press import press
from testbed.tui.task_logs import first_line, logs_of
from testbed.waiting import until
from textual.pilot import Pilot

from flow_tui.dialogs.pick import Pick
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.logs.pipe_screen import PipeScreen
from flow_tui.panes.logs.save_form import SaveLogForm

RANKS = "echo this is $NODE_RANK"


def plain(text: str) -> str:
    """The text with single spaces, and without what makes the names of tasks unique."""
    return " ".join(re.sub("-[0-9a-f]{6}\\b", "", text).split())


def rows(pane: LogsPane, count: int) -> list[str]:
    return [plain(pane.view.render_line(y).text[1:-1]) for y in range(count)]


async def merge_task(pilot: Pilot[None]) -> list[str]:
    """Opens the list of tasks to add, and chooses the first. Returns the rows of the list."""
    await press(pilot, "logs.merge_task")
    await until(lambda: isinstance(pilot.app.screen, Pick))
    assert isinstance(pilot.app.screen, Pick)
    shown = [plain(f"{one.label} {one.shown}") for one in pilot.app.screen._choices]
    await pilot.press("enter")
    await until(lambda: not isinstance(pilot.app.screen, Pick))
    return shown


async def test_all_ranks_are_shown_in_one_view_and_ranks_are_hidden() -> None:
    command = 'echo this is $NODE_RANK; [ "$NODE_RANK" != 2 ] || exit 3'
    async with logs_of(command=command, num_instances=3) as (pane, pilot):
        await until(lambda: first_line(pane) == "this is 0")
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: pane.is_merged)
        assert pane.view.labels == ["rank 2", "rank 0", "rank 1"]
        await until(lambda: "  3 logs  " in str(pane.border_title))
        rows = [pane.view.render_line(y).text.split() for y in range(3)]
        assert sorted(rows) == [["rank", str(rank), "this", "is", str(rank)] for rank in range(3)]
        hidden = rows[-1][1]
        await press(pilot, "logs.hide_rank")
        await until(lambda: "  2 of 3 logs  " in str(pane.border_title))
        assert pane.view.render_line(2).text.strip() == ""
        assert f"rank {hidden}" not in "".join(pane.view.render_line(y).text for y in range(3))
        await press(pilot, "logs.show_all_ranks")
        await until(lambda: [pane.view.render_line(y).text.split() for y in range(3)] == rows)
        await press(pilot, "logs.bookmark")
        await until(lambda: [one for one in pane.app._notifications if "needs the log of one rank" in one.message])
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: not pane.is_merged and first_line(pane) == "this is 0")
        await until(lambda: "  rank 0  " in str(pane.border_title))


async def test_a_task_with_one_log_has_no_ranks_to_show() -> None:
    async with logs_of(command="echo hello") as (pane, pilot):
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: [one for one in pane.app._notifications if "one log only" in one.message])
        assert not pane.is_merged


async def test_merged_text_is_saved_copied_and_piped_with_the_rank_before_each_line(tmp_path: Path) -> None:
    async with logs_of(command=RANKS, num_instances=3) as (pane, pilot):
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: pane.is_merged)
        every = [f"rank {rank} this is {rank}" for rank in range(3)]
        await until(lambda: sorted(rows(pane, 3)) == every)
        shown = rows(pane, 3)
        await press(pilot, "logs.save")
        await until(lambda: isinstance(pilot.app.screen, SaveLogForm) and pilot.app.screen.entered)
        form = pilot.app.screen
        assert isinstance(form, SaveLogForm)
        assert {name: plain(text) for name, text in form.entered.items()} == {
            "path": "train-merged.log",
            "what": "shown text, each line after its rank",
        }
        form.query_one("LineInput").value = str(tmp_path / "saved")  # type: ignore[attr-defined]
        await press(pilot, "form.send")
        await until(lambda: (tmp_path / "saved").exists())
        assert (tmp_path / "saved").read_text().splitlines() == shown
        await press(pilot, "logs.hide_rank", "logs.pipe")
        assert pane.row.is_open
        await pilot.press(*"sort", "ctrl+r", "enter")
        await until(lambda: isinstance(pilot.app.screen, PipeScreen))
        screen = pilot.app.screen
        assert isinstance(screen, PipeScreen)
        await until(lambda: screen.view.render_line(1).text[1:-1].strip() == sorted(shown[:2])[1])
        assert screen.view.render_line(2).text.strip() == ""
        await pilot.press("escape")
        await press(pilot, "logs.show_all_ranks", "logs.scroll_home", "logs.select_lines", "logs.scroll_down")
        await press(pilot, "logs.copy")
        await until(lambda: pilot.app.clipboard == "\n".join(shown[:2]))


async def test_a_search_covers_all_ranks(tmp_path: Path) -> None:
    async with logs_of(command=RANKS, num_instances=3) as (pane, pilot):
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: pane.is_merged)
        await press(pilot, "logs.search")
        await pilot.press(*"this", "enter")
        await until(lambda: "3 of 3" in str(pane.status.render()))
        await press(pilot, "logs.next_match")
        await until(lambda: "2 of 3" in str(pane.status.render()))
        await pilot.press("escape")
        assert not pane.view.is_searching


async def test_the_logs_of_other_tasks_are_added_and_removed_again() -> None:
    other = {"name": "eval", "command": "echo evaluated"}
    async with logs_of(other, command=RANKS, num_instances=2) as (pane, pilot):
        await until(lambda: first_line(pane) == "this is 0")
        (option,) = await merge_task(pilot)
        assert option.startswith("eval 20")
        await until(lambda: "  3 logs of 2 tasks  " in str(pane.border_title))
        assert [plain(label) for label in pane.view.labels] == ["train rank 0", "train rank 1", "eval"]
        assert rows(pane, 1) == ["eval evaluated"]
        assert sorted(rows(pane, 3)[1:]) == ["train rank 0 this is 0", "train rank 1 this is 1"]
        await press(pilot, "logs.scroll_home", "logs.hide_rank")
        await until(lambda: "  2 of 3 logs of 2 tasks  " in str(pane.border_title))
        (option,) = await merge_task(pilot)
        assert option == "eval in the view; enter removes it"
        await until(lambda: pane.view.labels == ["rank 0", "rank 1"])
        await press(pilot, "logs.scroll_home", "logs.hide_rank")
        hidden = pane.view.hidden_paths
        await merge_task(pilot)
        await until(lambda: "  2 of 3 logs of 2 tasks  " in str(pane.border_title))
        assert pane.view.hidden_paths == hidden
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: not pane.is_merged and first_line(pane) == "this is 0")


async def test_two_tasks_with_one_log_each_are_merged_and_the_last_of_them_stays() -> None:
    other = {"name": "eval", "command": "echo evaluated"}
    async with logs_of(other, command="echo trained") as (pane, pilot):
        await until(lambda: first_line(pane) == "trained")
        await merge_task(pilot)
        await until(lambda: rows(pane, 2) == ["eval evaluated", "train trained"])
        await merge_task(pilot)
        await until(lambda: not pane.is_merged and first_line(pane) == "trained")


async def test_errors_and_filters_cover_all_ranks(tmp_path: Path) -> None:
    command = "echo start $NODE_RANK; echo ERROR of $NODE_RANK; echo end $NODE_RANK"
    async with logs_of(command=command, num_instances=2) as (pane, pilot):
        await press(pilot, "logs.toggle_ranks")
        await until(lambda: len([row for row in rows(pane, 6) if row]) == 6)
        await press(pilot, "logs.scroll_home")
        errors = [row for row in rows(pane, 6) if "ERROR" in row]
        await press(pilot, "logs.next_error")
        await until(lambda: plain(marked_row(pane)) == errors[0])
        await press(pilot, "logs.next_error")
        await until(lambda: plain(marked_row(pane)) == errors[1] or "no error" in status(pane))
        await press(pilot, "logs.cycle_level")
        await until(lambda: rows(pane, 3) == [*errors, ""])
        assert status(pane).startswith("only warnings and errors: 2 lines")
        await press(pilot, "logs.toggle_folds")
        await until(lambda: [one for one in pane.app._notifications if "needs the log of one rank" in one.message])
