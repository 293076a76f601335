"""The logs pane with filters, errors, folds and fields."""

from __future__ import annotations

from pathlib import Path

from testbed.tui.log_desk import log_desk, marked_row, shown_rows, status
from testbed.tui.press import press
from testbed.waiting import until

from flow_tui.panes.logs.pane import LogsPane

TRACE = b"""INFO start
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
  File "train.py", line 2, in main
    raise ValueError("bad")
ValueError: bad
INFO end
"""


def lines_of(pane: LogsPane, count: int) -> list[str]:
    return shown_rows(pane)[:count]


async def test_lines_are_kept_and_hidden_by_text_and_all_come_back(tmp_path: Path) -> None:
    data = b"".join(b"step %d loss 0.%d\ndebug %d\nWARNING slow %d\n" % (n, n, n, n) for n in range(200))
    async with log_desk(tmp_path, data) as (pane, pilot):
        await press(pilot, "logs.keep_lines", *"loss", "enter")
        await until(lambda: "/loss/: 200 lines" in status(pane))
        await until(lambda: shown_rows(pane)[-2:] == ["step 198 loss 0.198", "step 199 loss 0.199"])
        await press(pilot, "logs.hide_lines", *"99", "enter")
        await until(lambda: "without /99/: 198 lines" in status(pane))
        assert status(pane).startswith("only /loss/, without /99/")
        await press(pilot, "logs.more_context")
        await until(lambda: "1 line around" in status(pane))
        await until(lambda: any(row.startswith("debug") for row in shown_rows(pane)))
        await press(pilot, "logs.keep_lines", "enter")
        await until(lambda: status(pane) == "without /99/: 594 lines")
        await press(pilot, "escape")
        await until(lambda: status(pane) == "" and any(row.startswith("WARNING") for row in shown_rows(pane)))


async def test_a_search_covers_the_lines_that_the_filters_keep_and_begins_again_with_them(tmp_path: Path) -> None:
    data = b"".join(b"step %d loss\ndebug %d loss\n" % (n, n) for n in range(100))
    async with log_desk(tmp_path, data) as (pane, pilot):
        await press(pilot, "logs.search", *"loss", "enter")
        await until(lambda: status(pane) == "200 of 200")
        await press(pilot, "logs.hide_lines", *"debug", "enter")
        await until(lambda: status(pane) == "100 matches   without /debug/: 100 lines")
        await press(pilot, "logs.next_match")
        await until(lambda: status(pane).startswith("100 of 100 "), explain=lambda: status(pane))
        await press(pilot, "logs.next_match")
        await until(lambda: status(pane).startswith("99 of 100 "), explain=lambda: status(pane))
        assert marked_row(pane) == "step 98 loss"


async def test_the_line_at_the_top_stays_there_with_filters_and_without(tmp_path: Path) -> None:
    data = b"".join(b"step %d loss\ndebug %d loss\n" % (n, n) for n in range(1000))
    async with log_desk(tmp_path, data) as (pane, pilot):
        await press(pilot, "logs.scroll_home")
        pane.view.scroll_rows(600)
        assert shown_rows(pane)[0] == "step 300 loss"
        await press(pilot, "logs.hide_lines", *"debug", "enter")
        await until(lambda: lines_of(pane, 2) == ["step 300 loss", "step 301 loss"])
        await until(lambda: status(pane) == "without /debug/: 1,000 lines")
        assert lines_of(pane, 1) == ["step 300 loss"]
        await press(pilot, "escape")
        await until(lambda: lines_of(pane, 2) == ["step 300 loss", "debug 300 loss"])


async def test_an_invalid_filter_stays_open_with_a_sentence(tmp_path: Path) -> None:
    async with log_desk(tmp_path, b"one\n") as (pane, pilot):
        await press(pilot, "logs.keep_lines", *"a(", "enter")
        await until(lambda: "regular expression" in status(pane))
        assert pane.row.is_open
        await press(pilot, "escape")
        await until(lambda: not pane.row.is_open and lines_of(pane, 1) == ["one"])


async def test_levels_are_chosen_in_turn(tmp_path: Path) -> None:
    async with log_desk(tmp_path, b"INFO a\nWARNING b\nERROR c\nplain\n") as (pane, pilot):
        await press(pilot, "logs.cycle_level")
        await until(lambda: lines_of(pane, 3) == ["WARNING b", "ERROR c", ""])
        await press(pilot, "logs.cycle_level")
        await until(lambda: lines_of(pane, 2) == ["ERROR c", ""])
        await press(pilot, "logs.cycle_level")
        await until(lambda: lines_of(pane, 4) == ["INFO a", "WARNING b", "ERROR c", "plain"])


async def test_errors_are_reached_one_after_the_other(tmp_path: Path) -> None:
    data = b"ok\n" * 50 + b"ERROR first\n" + b"ok\n" * 500 + b"ERROR a\nERROR b\n" + b"ok\n" * 100
    async with log_desk(tmp_path, data) as (pane, pilot):
        await press(pilot, "logs.previous_error")
        await until(lambda: marked_row(pane) == "ERROR b")
        await press(pilot, "logs.previous_error")
        await until(lambda: marked_row(pane) == "ERROR first")
        await press(pilot, "logs.previous_error")
        await until(lambda: status(pane) == "no error before this line")
        await press(pilot, "logs.next_error")
        await until(lambda: marked_row(pane) == "ERROR a")
        await press(pilot, "logs.next_error")
        await until(lambda: status(pane) == "no error after this line")


async def test_a_traceback_folds_to_two_lines_and_opens(tmp_path: Path) -> None:
    async with log_desk(tmp_path, TRACE) as (pane, pilot):
        await press(pilot, "logs.toggle_folds")
        folded = ["INFO start", "Traceback (most recent call last):  4 lines folded", "ValueError: bad", "INFO end"]
        await until(lambda: lines_of(pane, 4) == folded)
        await press(pilot, "logs.go_to", "2", "enter")
        await until(lambda: marked_row(pane).startswith("Traceback"))
        await press(pilot, "logs.unfold")
        await until(lambda: lines_of(pane, 8) == TRACE.decode().splitlines())
        await press(pilot, "logs.unfold")
        await until(lambda: lines_of(pane, 4) == folded)
        await press(pilot, "logs.toggle_folds")
        await until(lambda: lines_of(pane, 8) == TRACE.decode().splitlines())


async def test_lines_of_json_are_readable_and_the_original_is_one_key_away(tmp_path: Path) -> None:
    original = '{"level":"error","msg":"nan loss","step":420}'
    async with log_desk(tmp_path, f"{original}\nplain\n".encode()) as (pane, pilot):
        await press(pilot, "logs.toggle_readable")
        await until(lambda: lines_of(pane, 2) == ["ERROR    nan loss step=420", "plain"])
        await press(pilot, "logs.go_to", "1", "enter")
        await press(pilot, "logs.unfold")
        await until(
            lambda: [row.strip() for row in lines_of(pane, 5)[1:4]] == ["level: error", "msg: nan loss", "step: 420"]
        )
        await press(pilot, "logs.toggle_readable")
        await until(lambda: lines_of(pane, 2) == [original, "plain"])


async def test_errors_inside_a_fold_are_one_step(tmp_path: Path) -> None:
    prefix = b"(EngineCore_0 pid=7) ERROR 11-30 12:44:01 [core.py:7] "
    trace = b"".join(prefix + line + b"\n" for line in TRACE.splitlines()[1:-1])
    data = b"ok\n" * 20 + b"ERROR first\n" + b"ok\n" * 20 + trace + b"ok\n" * 3
    async with log_desk(tmp_path, data, size=(140, 16)) as (pane, pilot):
        await press(pilot, "logs.toggle_folds")
        await until(lambda: any("4 lines folded" in row for row in shown_rows(pane)))
        await press(pilot, "logs.previous_error")
        await until(lambda: "core.py" in marked_row(pane))
        await press(pilot, "logs.previous_error")
        await until(lambda: marked_row(pane) == "ERROR first")
        await press(pilot, "logs.next_error")
        await until(lambda: "[core.py:7] Traceback" in marked_row(pane))
