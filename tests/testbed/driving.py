"""What a person does at the dashboard again and again, on a real terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

from testbed.pty_screen import Screen
from textual.binding import Binding

from flow_tui.action_table import ACTIONS
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.form import Form
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.key_names import spell_key
from flow_tui.keymap import Keymap
from flow_tui.terminal.prefix import PREFIX_KEYS, RELEASE_KEY, Command

_KEYMAP = Keymap(ACTIONS)
_DIALOG_KEYS = {
    binding.id: binding.key
    for dialog in (Confirm, Form, SubmitForm)
    for binding in reversed(list(Binding.make_bindings(dialog.__dict__["BINDINGS"])))  # the first key of each counts
}


def trigger(screen: Screen, *actions: str | Command) -> None:
    """Sends the default key of each action, by its id, or the prefix and the key of a command of the shell pane."""
    for action in actions:
        screen.send(*_keys_of(action))


def _keys_of(action: str | Command) -> tuple[str, ...]:
    if isinstance(action, Command):
        return spell_key(RELEASE_KEY), next(row.key for row in PREFIX_KEYS if row.command is action)
    return (spell_key(_DIALOG_KEYS.get(action) or _KEYMAP.keys_of(action)[0]),)


def submit(screen: Screen, name: str, command: str) -> None:
    trigger(screen, "app.new_task")
    screen.wait_for("New task")
    fill(screen, name, command)
    trigger(screen, "form.send")
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
    screen.wait_for("enter reopen")

    def is_open(text: str) -> bool:
        if "enter reopen" in text:
            screen.send("enter")
        return "enter reopen" not in text

    screen.wait_for(is_open)


def status_of(name: str, *words: str) -> Callable[[str], object]:
    pattern = re.compile(rf"{re.escape(name)}.*({'|'.join(words)})")
    return lambda text: pattern.search(text)


def quit_dashboard(screen: Screen) -> None:
    trigger(screen, "app.quit")
    assert screen.wait_exit() == 0, screen.framed()
    assert_terminal_restored(screen)


def assert_terminal_restored(screen: Screen) -> None:
    raw = bytes(screen.raw)
    assert screen.is_cooked()
    for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?1000h", b"\x1b[?1000l")):
        assert raw.rfind(off) >= raw.rfind(on), f"{on!r} was left on"
