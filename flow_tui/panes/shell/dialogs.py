"""The dialogs of the shell pane: confirmations before a shell is closed or text is pasted, and the list of keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Static

from flow_tui.dialogs.confirm import Confirm
from flow_tui.dialogs.help import HelpEntry, HelpScreen
from flow_tui.key_names import spell_key
from flow_tui.panes.shell.tab import ShellTab
from flow_tui.services import Services
from flow_tui.terminal.prefix import PREFIX_KEYS, Command
from flow_tui.terminal.tmux import kill_command

_END_TIMEOUT_S = 20.0


async def pick_key(services: Services) -> str | None:
    """Lists the keys after the prefix key. Returns the command or the id of the action that the user chose."""
    key = spell_key(services.release_key)
    rows = [(row.key, row.label, row.tooltip, row.command.value) for row in PREFIX_KEYS]
    rows.append((key, "send", f"Send {key} to the shell", Command.SEND.value))
    rows.append(("esc", "leave", "Leave the pane; the shell stays open", Command.LEAVE.value))
    panes = [services.keys[f"app.show_{noun}"] for noun in services.workspace.nouns]
    rows += [(action.keys, action.label, action.tooltip, action.id) for action in panes]
    entries = [HelpEntry(f"{key} {after}", *texts) for after, *texts in rows]
    return await services.ask(HelpScreen(f"Keys after {key}", entries, services.keys))


async def confirm_close(services: Services, tab: ShellTab) -> bool:
    """Asks before an open shell is closed. If the user agrees, ends a persistent shell on its node."""
    question = Confirm(
        "Close this shell?",
        [],
        call="Ends the persistent shell." if tab.is_persistent else "Closes the shell.",
        loses="the programs in it",
        keeps="the task",
        agree="Close the shell",
        refuse="Keep it open",
    )
    if not await services.ask(question):
        return False
    if tab.is_persistent:
        await _end_persistent_shell(services, tab)
    return True


async def _end_persistent_shell(services: Services, tab: ShellTab) -> None:
    flow, task_id = services.fleet.flow(tab.task.context), tab.task.task_id
    command = kill_command(task_id, tab.node)
    run = partial(flow.get_remote_operations().run, task_id, command, node=tab.node, timeout_s=_END_TIMEOUT_S)
    with services.prompts.foreground(tab.task.context):
        await flow.run_change("shell", task_id, command, run)


async def confirm_paste(services: Services, text: str) -> bool:
    return await services.ask(ConfirmPaste(text))


async def confirm_quit(services: Services) -> bool:
    question = Confirm(
        "Quit while a shell is open?",
        ["Your tasks continue to run without the dashboard."],
        call="Closes the open shells.",
        loses="the programs in these shells",
        keeps="all tasks, their logs and their volumes",
        agree="Quit",
        refuse="Stay here",
    )
    return await services.ask(question)


class ConfirmPaste(Confirm):
    """A dialog that asks before a paste. Enter doesn't close it, so that an enter after the paste loses no text."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "remind", show=False, id="confirm.remind")]

    def __init__(self, text: str) -> None:
        lines = text.count("\n") + text.count("\r") + 1
        super().__init__(
            f"Paste {lines} lines?",
            ["The shell can't tell pasted from typed text: each line runs as it arrives."],
            call="Sends the text as if you typed it.",
            agree="Paste it",
            refuse="Don't paste",
        )

    def compose_footer(self) -> Iterable[Widget]:
        yield Static("Press y to paste; esc goes back.", markup=False, classes="confirm-ask")

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False
        self.set_focus(None)

    def action_remind(self) -> None:
        self.app.bell()
