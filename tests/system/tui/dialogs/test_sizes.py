"""Every dialog survives a terminal of any size, and is whole again once there is room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from testbed.bare_services import KEYS
from testbed.screen_text import screen_text
from textual.screen import ModalScreen

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpEntry, HelpScreen
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.price_limit_form import PriceLimitForm
from flow_tui.panes.tasks.run_on_nodes import RunOnNodes
from flow_tui.panes.volumes.attach_form import AttachForm
from flow_tui.panes.volumes.volume_form import VolumeForm
from flow_tui.screens.audit_log import AuditLogScreen

TASK = TaskRecord("local", "task_aaaaaaaaaa", "train", TaskStatus.RUNNING, command="python train.py " * 20)
TINY = [(1, 1), (1, 40), (200, 1), (20, 5), (0, 0)]


async def nothing(*_: Any) -> Any:
    raise AssertionError("nothing is sent")


DIALOGS: dict[str, Callable[[], ModalScreen[Any]]] = {
    "help": lambda: HelpScreen(
        "Keys", [HelpEntry(f"f{n}", f"Does {n}", "a sentence " * 9, f"a.{n}") for n in range(9)], KEYS
    ),
    "pick": lambda: Pick("Copy", [PickOption("id", "x" * 90), PickOption("name", "train")]),
    "confirm": lambda: Confirm("End it?", ["a fact"], call="DELETE /it", loses="a lot", keeps="little"),
    "typed confirm": lambda: Confirm("End both?", ["a fact"], call="DELETE /both", word="2"),
    "submit": lambda: SubmitForm(["local", "lab"], nothing),
    "volume": lambda: VolumeForm(["local", "lab"], nothing),
    "attach": lambda: AttachForm("data", [TASK], nothing),
    "limit": lambda: PriceLimitForm(TASK),
    "detail": lambda: TaskDetail(TASK, KEYS),
    "action log": lambda: AuditLogScreen(()),
    "everywhere": lambda: RunOnNodes("train", 3, nothing),
}


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_is_whole_again_after_a_terminal_without_room(name: str, ask: Any) -> None:
    async with ask(DIALOGS[name](), size=(80, 24)) as question:
        before = screen_text(question.app)
        for size in TINY:
            await question.pilot.resize_terminal(*size)
            await question.press("down", "up")
        await question.pilot.resize_terminal(80, 24)
        await question.until(lambda: screen_text(question.app) == before)
