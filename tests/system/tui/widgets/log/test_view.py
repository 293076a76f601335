"""The log view, in a running app, over real spools."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from testbed.tui.log_reader import T0, Reader, Source
from testbed.waiting import until

from flow_core.agent.spool import STDERR, STDOUT


async def test_it_opens_at_the_end_and_shows_lines_as_they_are_written(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(500)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        await until(lambda: app.picture()[-1] == "line 499")
        assert app.picture()[0] == "line 490"
        source.write(b"one more\nand half")
        await until(lambda: app.picture()[-2:] == ["one more", "and half"])
        source.write(b" is whole\n")
        await until(lambda: app.picture()[-1] == "and half is whole")


async def test_scrolling_up_pauses_and_following_resumes_at_the_end(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(100)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.action_scroll_up()
        assert app.view.following is False
        assert app.picture()[-1] == "line 98"
        source.write(b"new\n")
        await until(lambda: app.counts and app.counts[-1][0] == 101)
        assert app.picture()[-1] == "line 98"
        app.view.action_scroll_end()
        assert app.picture()[-1] == "new"
        app.view.action_page_up()
        app.view.action_page_down()
        assert app.view.following is True
        await pilot.pause()
        assert app.follows[-4:] == [False, True, False, True]


async def test_a_paused_log_keeps_its_place_while_its_view_has_no_room(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(100)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        await until(lambda: app.picture()[-1] == "line 99")
        app.view.action_scroll_up()
        before = app.picture()
        for side in ("height", "width"):
            setattr(app.view.styles, side, 0)
            await pilot.pause()
            app.view.notify_style_update()
            app.view.action_page_up()
            app.view.action_scroll_down()
            app.view.action_toggle_wrap()
            app.view.action_toggle_wrap()
            assert app.view.following is False
            setattr(app.view.styles, side, "1fr")
            await pilot.pause()
            assert app.picture() == before


async def test_a_log_that_is_opened_in_a_view_that_was_removed_ends_nothing(source: Source) -> None:
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.view
        await view.remove()
        view.open(source.files, source.is_complete)
        view.notify_style_update()
        await pilot.pause()
        assert view.following


async def test_every_line_of_a_log_can_be_scrolled_through_in_both_directions(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(300)))
    app = Reader(source)
    async with app.run_test(size=(60, 7)):
        app.view.action_scroll_home()
        seen = [app.picture()[0]]
        while not app.view.following:
            app.view.action_scroll_down()
            seen.append(app.picture()[-1])
        assert seen == ["line 0"] + [f"line {n}" for n in range(7, 300)]
        for n in range(293, 0, -1):
            app.view.action_scroll_up()
            assert app.picture()[0] == f"line {n - 1}"


async def test_a_progress_bar_that_redraws_itself_is_one_line_that_changes(source: Source) -> None:
    source.write(b"start\n 10%|#         |")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        await until(lambda: app.picture()[1] == " 10%|#         |")
        source.write(b"\r 50%|#####     |")
        await until(lambda: app.picture()[1] == " 50%|#####     |")
        for n in range(3000):
            source.writer.append(STDOUT, b"\r%4d%%|##########|" % n)
        await until(lambda: app.picture()[1] == "2999%|##########|")
        assert app.picture()[2:] == ["", "", ""]


async def test_colours_are_shown_and_other_escapes_do_nothing(source: Source) -> None:
    source.write(b"\x1b[31mred\x1b[0m \x1b[1;38;2;1;2;3mtrue\x1b[m \x1b[48;5;200mback\x1b[0m\n")
    source.write(b"a\x1b[2J\x1b[H\x1b]0;title\x07b\x1b[?1049h\x1bc\xff\x00\xc2\x9b31mc\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        await until(lambda: app.picture()[0] == "red true back")
        styles = {part.text: part.style for part in app.view.render_line(0) if part.style}
        assert styles["red"].color is not None
        assert styles["red"].color.number == 1
        assert styles["true"].color is not None
        assert tuple(styles["true"].color.get_truecolor()) == (1, 2, 3)
        assert styles["true"].bold
        assert styles["back"].bgcolor is not None
        assert styles["back"].bgcolor.number == 200
        assert app.picture()[1:4] == ["a", "b", "\ufffd\ufffd31mc"]


async def test_wrapping_shows_all_of_a_long_line_and_sideways_scrolling_the_rest_of_it(source: Source) -> None:
    text = "".join(f"<{n}>" for n in range(40))
    source.write(text.encode() + b"\nshort\n")
    app = Reader(source)
    async with app.run_test(size=(40, 8)):
        await until(lambda: app.picture()[1] == "short")
        assert app.picture()[0] == text[:38]
        app.view.action_scroll_right()
        assert app.picture()[0] == text[8:46]
        app.view.action_toggle_wrap()
        assert app.picture()[:5] == [text[:38], text[38:76], text[76:114], text[114:], "short"]


async def test_wide_characters_are_never_cut_in_half_by_wrapping(source: Source) -> None:
    source.write("漢字".encode() * 30 + b"\n")
    app = Reader(source)
    async with app.run_test(size=(33, 8)):
        app.view.action_toggle_wrap()
        await until(lambda: "".join(app.picture()) == "漢字" * 30)
        assert all(app.view.render_line(y).cell_length == 33 for y in range(8))


async def test_times_come_from_the_sidecar(source: Source) -> None:
    source.write(b"first\n")
    source.write(b"second\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        app.view.action_toggle_time()
        first = datetime.fromtimestamp(T0 / 1_000_000 + 1.5)
        await until(lambda: app.picture()[0] == f"{first:%H:%M:%S}.500 first")
        app.view.action_toggle_time()
        assert app.picture()[0] == "first"


async def test_times_at_which_a_log_arrived_are_marked(source: Source) -> None:
    source.write(b"first\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        app.view.open(source.files, has_arrival_times=True)
        app.view.action_toggle_time()
        first = datetime.fromtimestamp(T0 / 1_000_000 + 1.5)
        assert app.picture()[0] == f"~{first:%H:%M:%S}.50 first"


async def test_stderr_is_marked_and_each_stream_can_be_seen_alone(source: Source) -> None:
    for n in range(50):
        source.write(b"out %d\n" % n)
    source.write(b"bad\n", STDERR)
    for n in range(50, 100):
        source.write(b"out %d\n" % n)
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        app.view.action_cycle_stream()
        assert app.view.stream_name == "stdout"
        app.view.scroll_rows(-46)
        assert app.picture() == ["out 49", "out 50", "out 51", "out 52", "out 53"]
        app.view.action_cycle_stream()
        assert app.view.stream_name == "stderr"
        assert app.picture() == ["bad", "", "", "", ""]
        app.view.action_cycle_stream()
        app.view.action_follow()
        app.view.scroll_rows(-2)
        assert (app.picture()[-1], app.marks()[-1]) == ("out 97", " ")
        app.view.find("bad")
        await until(lambda: "bad" in app.picture())
        app.view.clear_search()
        assert app.marks()[app.picture().index("bad")] == "▌"


async def test_a_resize_keeps_the_end_in_view(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(100)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        await until(lambda: app.picture()[-1] == "line 99")
        await pilot.resize_terminal(30, 20)
        await until(lambda: app.picture()[0] == "line 80")
        assert app.picture()[-1] == "line 99"


async def test_an_empty_log_says_so_until_the_first_byte_and_after_the_end(source: Source) -> None:
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        assert app.picture()[0] == "No output yet."
        source.complete = True
        await until(lambda: app.picture()[0] == "This task wrote no output.")
        await until(lambda: app.counts[-1] == (0, True))


async def test_nothing_looks_at_the_file_any_more_once_the_log_is_complete(source: Source) -> None:
    source.write(b"last words")
    source.complete = True
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        await until(lambda: not any(not worker.is_finished for worker in app.workers))
        assert app.picture()[0] == "last words"
        assert app.counts[-1] == (1, True)


async def test_a_line_is_painted_within_a_tenth_of_a_second_of_being_written(source: Source) -> None:
    source.write(b"start\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        await until(lambda: app.picture()[0] == "start")
        delays = []
        for n in range(20):
            started = time.monotonic()
            source.write(b"mark %d\n" % n)
            await until(lambda n=n: f"mark {n}" in app.picture())  # type: ignore[misc]
            delays.append(time.monotonic() - started)
        assert sorted(delays)[10] < 0.1


async def test_a_view_out_of_sight_draws_nothing_and_catches_up_when_it_is_back(source: Source) -> None:
    source.write(b"before\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)) as pilot:
        await until(lambda: app.picture()[0] == "before")
        painter = app.view._painter
        assert painter is not None
        app.view.display = False
        await pilot.pause(0.3)  # the look that was under way when it was hidden
        source.write(b"unseen\n")
        await pilot.pause(0.4)
        assert painter.log.size == len(b"before\n")
        app.view.display = True
        await until(lambda: app.picture()[1:2] == ["unseen"])


async def test_opening_another_log_lets_go_of_the_one_before(source: Source, tmp_path: Path) -> None:
    source.write(b"first log\n")
    other = Source(tmp_path / "other")
    other.write(b"second log\n")
    app = Reader(source)
    async with app.run_test(size=(60, 5)):
        await until(lambda: app.picture()[0] == "first log")
        app.view.find("log")
        await until(lambda: "1 of 1" in app.statuses)
        app.view.open(other.files, other.is_complete)
        assert app.picture()[0] == "second log"
        source.write(b"more of the first\n")
        other.write(b"more of the second\n")
        await until(lambda: app.picture()[1] == "more of the second")
        app.view.open(None)
        assert app.picture()[0] == "No output yet."
        await until(lambda: all(worker.is_finished for worker in app.workers))
    other.writer.close()


async def test_every_redraw_of_a_bar_is_shown_on_request(source: Source) -> None:
    source.write(b"start\n\repochs: 0/2\n\rsteps: 0/2\x1b[A\repochs: 1/2\n\rsteps: 1/2\x1b[A\repochs: 2/2\n\n")
    app = Reader(source)
    async with app.run_test(size=(60, 8)):
        await until(lambda: app.picture()[:3] == ["start", "epochs: 2/2", "steps: 1/2"])
        app.view.action_toggle_redraws()
        shown = ["start", "epochs: 0/2", "steps: 0/2", "epochs: 1/2", "steps: 1/2", "epochs: 2/2", ""]
        await until(lambda: app.picture()[:7] == shown)
        app.view.action_toggle_redraws()
        await until(lambda: app.picture()[:3] == ["start", "epochs: 2/2", "steps: 1/2"])


async def test_a_block_of_redraws_longer_than_what_is_read_at_once_becomes_exact_in_view(source: Source) -> None:
    again = b"\x1b[2A\x1b[2K layer-b  %d\n\x1b[2K layer-c  %d\n"
    source.write(b"[+] pulling\n layer-a  done\n layer-b  0\n layer-c  0\n")
    for _ in range(20):
        source.write(b"".join(again % (number, number) for number in range(1_000)))
    app = Reader(source)
    async with app.run_test(size=(60, 8)):
        await until(lambda: app.picture()[:4] == ["[+] pulling", " layer-a  done", " layer-b  999", " layer-c  999"])
