"""A link to the terminal that buffers much and transmits slowly, as SSH does."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import has_input

PROGRAM = """
import random
from textual.app import App
from textual.widgets import Static
from flow_tui.crash import CrashGuard

class Flood(CrashGuard, App[None]):
    CSS = "Static { height: 1fr; }"
    BINDINGS = [("b", "flood", "flood"), ("e", "end", "end")]
    number = 0
    def compose(self):
        yield Static("ready")
    def action_flood(self):
        self.timer = self.set_interval(0.01, self.draw)
    def action_end(self):
        self.timer.stop()
        self.query_one(Static).update("last frame")
    def draw(self):
        self.number += 1
        lines = ["".join(random.choices("abcdefghij", k=100)) for _ in range(34)]
        self.query_one(Static).update("\\n".join([f"frame {self.number}.", *lines]))

Flood().run()
"""
FRAME_BYTES = 4500
"""A frame of the program, with all of its cells."""
RATE, STEP_S = 50_000, 0.01
BUFFER_BYTES = 1 << 20
STEPS = 150


class SlowLink(Screen):
    """A terminal behind a link that transmits RATE bytes per second. `waiting` is what the link has buffered."""

    waiting = b""

    def transmit(self) -> None:
        """Passes on what the link transmits in one step, after taking all that the program writes."""
        time.sleep(STEP_S)  # the link is what takes time
        while len(self.waiting) < BUFFER_BYTES and has_input(self._fd, 0):
            self.waiting += os.read(self._fd, 1 << 16)
        size = int(RATE * STEP_S)
        arrived, self.waiting = self.waiting[:size], self.waiting[size:]
        self.raw += arrived
        self._feed(arrived)


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SlowLink]:
    (program := tmp_path / "flood.py").write_text(PROGRAM, encoding="utf-8")
    with SlowLink([sys.executable, str(program)], {"PYTHONPATH": str(ROOT)}) as opened:
        opened.wait_for("ready")
        opened.settle()  # the terminal has answered the first request then
        yield opened


def test_a_slow_link_holds_at_most_the_frame_behind_the_one_that_arrives(link: SlowLink) -> None:
    link.send("b")
    held, frames = [], set()
    for _ in range(STEPS):
        link.transmit()
        held.append(len(link.waiting))
        frames.update(re.findall(r"frame (\d+)\.", link.text()))
    assert len(frames) > 5
    assert max(held) <= 2 * FRAME_BYTES
    link.send("e")
    while link.waiting or "last frame" not in link.text():
        link.transmit()
