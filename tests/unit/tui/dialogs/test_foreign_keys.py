"""In a dialog only its own keys act: those that it names, and those that scroll, answer or close it."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testbed.bare_services import bare_services
from testbed.tui.press import press
from testbed.waiting import until
from textual import events
from textual.binding import Binding
from textual.keys import key_to_character
from textual.screen import ModalScreen

from flow_core.config_file import load_config
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.app import FlowApp
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpScreen
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.key_names import parse_key
from flow_tui.panes.shell.dialogs import ConfirmPaste
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.screens.audit_log import AuditLogScreen

RECORD = TaskRecord(task_id="task_1", name="train", context="local", status=TaskStatus.RUNNING, command="sleep 300")
ALWAYS = {"ctrl+c", "tab", "shift+tab", "enter", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
KEYS = [
    *(str(parse_key(character)) for character in string.printable if character.isprintable() and character != " "),
    *(f"ctrl+{letter}" for letter in string.ascii_lowercase),
    *(f"f{number}" for number in range(1, 13)),
]
DIALOGS: dict[str, Callable[[], ModalScreen[Any]]] = {
    "audit log": lambda: AuditLogScreen([]),
    "confirm": lambda: Confirm("End it?", [], call="kill", agree="End the task", refuse="Keep it running"),
    "paste": lambda: ConfirmPaste("one\ntwo"),
    "pick": lambda: Pick("Copy", [PickOption("id", "task_1"), PickOption("name", "train")]),
    "detail": lambda: TaskDetail(RECORD, bare_services().keys),
}


def foreign_keys(screen: ModalScreen[Any]) -> list[str]:
    """All keys without those of the dialog itself. Keys of actions that the dialog does not offer are foreign."""
    own = {
        binding.key
        for cls in type(screen).__mro__
        for binding in Binding.make_bindings(cls.__dict__.get("BINDINGS", ()))
        if not binding.action.startswith("act(")
    }
    return [key for key in KEYS if key not in own | ALWAYS]


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_key_that_is_not_the_dialogs_does_nothing(ask: Any, name: str) -> None:
    dialog = DIALOGS[name]()
    async with ask(dialog) as question:
        keys = foreign_keys(dialog)
        assert len(keys) > 60
        before = question.text
        for key in keys:
            question.app.post_message(events.Key(key, key_to_character(key)))
        await question.pilot.pause()
        assert question.answers == [], keys
        assert question.app.screen is dialog
        assert question.app.pressed_below == 0
        assert not len(question.app._notifications)
        assert question.text == before


async def test_ctrl_p_opens_no_palette_over_the_help(tmp_path: Path) -> None:
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "app.help")
        await until(lambda: isinstance(app.screen, HelpScreen))
        await press(pilot, "app.palette")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
