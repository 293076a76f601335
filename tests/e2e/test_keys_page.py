"""docs/keys.md says what a shell receives for each key: pressed here in the real program, on a real terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.driving import status_of, submit, trigger
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.waiting import DEADLINE_S

PAGE = ROOT / "docs" / "keys.md"
SINK = ROOT / "tests" / "testbed" / "key_sink.py"
_ALONE_S = 0.25  # an escape with nothing behind it is the key

# (key, what a terminal with the legacy encoding sends, what one with the kitty protocol sends if that differs)
KEYS = [
    ("a", "a", ""),
    ("A", "A", ""),
    ("é", "é", ""),
    ("enter", "\r", ""),
    ("tab", "\t", ""),
    ("shift+tab", "\x1b[Z", "\x1b[9;2u"),
    ("esc", "\x1b", "\x1b[27u"),
    ("backspace", "\x7f", ""),
    ("ctrl+h", "\x08", "\x1b[104;5u"),
    ("delete", "\x1b[3~", ""),
    ("insert", "\x1b[2~", ""),
    ("up", "\x1b[A", ""),
    ("down", "\x1b[B", ""),
    ("right", "\x1b[C", ""),
    ("left", "\x1b[D", ""),
    ("home", "\x1b[H", ""),
    ("end", "\x1b[F", ""),
    ("page up", "\x1b[5~", ""),
    ("page down", "\x1b[6~", ""),
    ("ctrl+left", "\x1b[1;5D", ""),
    ("ctrl+right", "\x1b[1;5C", ""),
    ("shift+up", "\x1b[1;2A", ""),
    ("alt+up", "\x1b[1;3A", ""),
    *((f"F{n}", sent, "") for n, sent in enumerate(("\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS"), start=1)),
    ("F5", "\x1b[15~", ""),
    ("F12", "\x1b[24~", ""),
    ("ctrl+space", "\x00", "\x1b[32;5u"),
    *((f"ctrl+{c}", chr(ord(c) - 96), f"\x1b[{ord(c)};5u") for c in "abcdefgijklmnopqrstuvwxyz"),
    ("ctrl+\\", "\x1c", "\x1b[92;5u"),
    ("ctrl+^", "\x1e", "\x1b[54;6u"),
    ("ctrl+_", "\x1f", "\x1b[45;6u"),
    ("alt+b", "\x1bb", "\x1b[98;3u"),
    ("alt+f", "\x1bf", "\x1b[102;3u"),
    ("alt+B", "\x1bB", "\x1b[98;4u"),
    ("alt+d", "\x1bd", "\x1b[100;3u"),
    ("alt+.", "\x1b.", "\x1b[46;3u"),
    ("alt+enter", "\x1b\r", "\x1b[13;3u"),
    ("alt+backspace", "\x1b\x7f", "\x1b[127;3u"),
]
HEADER = """# What a shell receives

This page lists the bytes that a shell of a task receives for each key. A test presses each key in the running
dashboard and records them.

The column *bytes* is for terminals with the legacy encoding of keys (xterm, Terminal.app, tmux). The column *bytes,
kitty protocol* is for terminals that support the kitty keyboard protocol (kitty, Ghostty, WezTerm, foot, recent
iTerm2). The dashboard enables that protocol for itself and converts the keys back, because the shell has not enabled
it. `=` means the same bytes as in the first column. `ctrl+]` is the prefix key of the dashboard; press it twice to send
it (`1d`).

| key | bytes | bytes, kitty protocol |
| --- | --- | --- |
"""


def hexed(data: bytes) -> str:
    return f"`{data.hex(' ')}`" if data else "nothing"


@pytest.fixture
def press(open_dashboard: Callable[..., Screen], tmp_path: Path) -> Callable[[str], bytes]:
    """Sends what a terminal sends for a key, and answers what the shell of a task received."""
    screen, sink = open_dashboard(), tmp_path / "received"
    submit(screen, "listener", "sleep 300")
    screen.wait_for(status_of("listener", "running"))
    trigger(screen, "tasks.shell")
    screen.wait_for("ctrl+] leaves")
    screen.settle()
    screen.send(f"exec {sys.executable} {SINK} {sink}", "enter")
    screen.wait_for("listening")
    seen = 0

    def pressed(sent: str) -> bytes:
        nonlocal seen
        os.write(screen._fd, sent.encode())
        if sent == "\x1b":
            until = time.monotonic() + _ALONE_S
            while time.monotonic() < until:
                screen.pump(0.02)
        os.write(screen._fd, b"|")  # arrives after the key, whatever that was
        deadline = time.monotonic() + DEADLINE_S
        while not (received := sink.read_bytes()[seen:]).endswith(b"|"):
            assert time.monotonic() < deadline, (sent, received, screen.framed())
            screen.pump(0.005)
        seen += len(received)
        return received[:-1]

    return pressed


def test_the_page_of_keys_is_what_the_shell_really_receives(press: Callable[[str], bytes]) -> None:
    rows = []
    for key, legacy, kitty in KEYS:
        old = press(legacy)
        new = press(kitty) if kitty else old
        rows.append(f"| `{key}` | {hexed(old)} | {'=' if new == old else hexed(new)} |\n")
    page = HEADER + "".join(rows)
    if os.environ.get("FLOW_WRITE_DOCS") == "1":
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "FLOW_WRITE_DOCS=1 with this test writes the page"
