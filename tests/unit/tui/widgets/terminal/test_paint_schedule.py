"""When a view paints: how many frames a flood costs, and which frame a key gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flow_tui.widgets.terminal.paint_schedule import PaintSchedule

FRAME_S = 1 / 60


class Stopped:
    """A timer that the test runs by hand."""

    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at, self.call, self.is_stopped = at, call, False

    def stop(self) -> None:
        self.is_stopped = True


class SlowView:
    """A view whose every frame takes `frame_s`, by its own clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, frame_s: float) -> None:
        self.now = 100.0
        self.frames: list[float] = []
        self.timers: list[Stopped] = []
        self._frame_s = frame_s
        self.schedule = PaintSchedule(self)  # type: ignore[arg-type]  # only what the schedule calls
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    def show_frame(self) -> None:
        self.schedule.note_painted()
        self.frames.append(self.now)
        self.now += self._frame_s

    def set_timer(self, delay: float, callback: Any = None) -> Stopped:
        assert delay > 0
        self.timers.append(Stopped(self.now + delay, callback))
        return self.timers[-1]

    def put_out(self, seconds: float, *, is_in_update: bool = False) -> None:
        """Output comes every millisecond; the timers run when they are due."""
        until = self.now + seconds
        while self.now < until:
            self.schedule.request_paint(is_in_update=is_in_update)
            self.now += 0.001
            due = [timer for timer in self.timers if not timer.is_stopped and timer.at <= self.now]
            self.timers = [timer for timer in self.timers if timer not in due and not timer.is_stopped]
            for timer in due:
                timer.call()


@pytest.mark.parametrize(("frame_s", "most"), [(0.001, 62), (0.01, 27), (0.5, 3)])
async def test_a_flood_is_drawn_in_a_quarter_of_the_time(
    monkeypatch: pytest.MonkeyPatch, frame_s: float, most: int
) -> None:
    view = SlowView(monkeypatch, frame_s)
    view.put_out(1.0)
    assert most / 2 < len(view.frames) <= most


async def test_the_first_frame_after_a_key_does_not_wait_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    view = SlowView(monkeypatch, 0.02)
    view.put_out(0.03)
    (first,) = view.frames
    view.schedule.expect_echo()
    view.put_out(0.03)
    assert len(view.frames) == 2
    assert FRAME_S <= view.frames[1] - first < 0.04


async def test_a_key_does_not_cut_a_synchronized_update(monkeypatch: pytest.MonkeyPatch) -> None:
    view = SlowView(monkeypatch, 0.001)
    view.put_out(0.05, is_in_update=True)
    view.schedule.expect_echo()
    view.put_out(0.05, is_in_update=True)
    assert view.frames == []
    view.put_out(0.005)
    assert len(view.frames) == 1
