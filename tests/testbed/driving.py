"""What a person does at the dashboard again and again, on a real terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

from testbed.pty_screen import Screen


def submit(screen: Screen, name: str, command: str) -> None:
    screen.send("ctrl+n")
    screen.wait_for("New task")
    fill(screen, name, command)
    screen.send("ctrl+s")
    screen.wait_for(lambda text: "New task" not in text and name in text)


def fill(screen: Screen, *values: str) -> None:
    """Types into the fields of a form in their order, over whatever stood there."""
    for i, value in enumerate(values):
        if i:
            screen.send("tab")
        screen.settle()
        screen.send("end", "ctrl+u")
        screen.settle()
        screen.send(value)
        screen.wait_for(lambda text, value=value: squeezed(value[-12:]) in squeezed(text))


def squeezed(text: str) -> str:
    """Without blanks and frames, so that it doesn't matter where a form breaks its lines."""
    return re.sub(r"[\s\u2500-\u259f|]+", "", text)


def reopen_shell(screen: Screen) -> None:
    """Enter opens another shell once nothing was typed for a second."""
    screen.wait_for("k closes")

    def is_open(text: str) -> bool:
        if "k closes" in text:
            screen.send("enter")
        return "k closes" not in text

    screen.wait_for(is_open)


def status_of(name: str, *words: str) -> Callable[[str], object]:
    pattern = re.compile(rf"{re.escape(name)}.*({'|'.join(words)})")
    return lambda text: pattern.search(text)


def quit_dashboard(screen: Screen) -> None:
    screen.send("q")
    assert screen.wait_exit() == 0, screen.framed()
    assert_terminal_restored(screen)


def assert_terminal_restored(screen: Screen) -> None:
    raw = bytes(screen.raw)
    assert screen.is_cooked()
    for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?1000h", b"\x1b[?1000l")):
        assert raw.rfind(off) >= raw.rfind(on), f"{on!r} was left on"
