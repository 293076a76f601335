"""The actions of the whole dashboard: their keys, texts and code."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flow_tui.actions import Action, LazyModule, defer
from flow_tui.panes.registry import PANES
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_tui.dialogs.submit import open_form
    from flow_tui.panes.logs import searching_all
    from flow_tui.screens import audit_log, key_help, recordings

    AppAction = Action[Services]
else:
    AppAction = Action
    audit_log = LazyModule("flow_tui.screens.audit_log")
    key_help = LazyModule("flow_tui.screens.key_help")
    open_form = LazyModule("flow_tui.dialogs.submit.open_form")
    recordings = LazyModule("flow_tui.screens.recordings")
    searching_all = LazyModule("flow_tui.panes.logs.searching_all")


def refresh_all(services: Services) -> None:
    """Polls every context now, and draws the whole screen. Allows refused prompts to be shown again."""
    services.screen.app.refresh()  # another program may have written to the terminal
    services.prompts.forget_refusals()
    services.fleet.refresh()


def _show_next_theme(services: Services) -> None:
    app = services.screen.app
    names = [name for name in app.available_themes if name in getattr(app, "own_themes", ())]
    if names:
        app.theme = names[(names.index(app.theme) + 1) % len(names)] if app.theme in names else names[0]


async def _quit(services: Services) -> None:
    await services.workspace.quit()


def _show_pane(noun: str, services: Services) -> None:
    services.workspace.show_pane(noun)


_SHOW_PANES = tuple(
    AppAction(
        f"app.show_{pane.noun}",
        str(digit),
        pane.name,
        f"Show the {pane.name} pane; press again for full size",
        partial(_show_pane, pane.noun),
    )
    for digit, pane in enumerate(PANES, start=1)
)

APP_ACTIONS: tuple[Action[Services], ...] = (
    AppAction(
        "app.help",
        "question_mark",
        "help",
        "List and search the keys of this pane",
        defer(lambda: key_help.show_keys),
        in_footer=True,
    ),
    AppAction(
        "app.new_task",
        "ctrl+n",
        "new task",
        "Submit a task",
        lambda services: open_form.open_submit_form(services),
        in_footer=True,
        changes=True,
    ),
    AppAction(
        "app.write_task",
        "ctrl+e",
        "YAML in editor",
        "Write a new task as YAML in $EDITOR",
        lambda services: open_form.open_submit_form(services, in_editor=True),
        changes=True,
    ),
    AppAction(
        "app.palette",
        "ctrl+p,colon",
        "palette",
        "Search all actions by name",
        lambda services: services.screen.app.action_command_palette(),
        in_footer=True,
    ),
    *_SHOW_PANES,
    AppAction(
        "app.next_pane",
        "tab,right",
        "next pane",
        "Go to the next pane in view",
        lambda services: services.workspace.move_focus(1),
    ),
    AppAction(
        "app.previous_pane",
        "shift+tab,left",
        "previous pane",
        "Go to the previous pane in view",
        lambda services: services.workspace.move_focus(-1),
    ),
    AppAction(
        "app.zoom",
        "plus,z",
        "zoom",
        "Show this pane in full size, or all panes again",
        lambda services: services.workspace.toggle_zoom(),
    ),
    AppAction(
        "app.back",
        "escape",
        "back",
        "Go back one step: clear the filter, leave full size, or go to the tasks",
        lambda services: services.workspace.step_back(),
    ),
    AppAction(
        "app.previous_screen",
        "minus",
        "recent pane",
        "Go back to the pane that was in front before",
        lambda services: services.workspace.show_last(),
    ),
    AppAction("app.refresh", "ctrl+r,R", "refresh", "Refresh every context now", refresh_all),
    AppAction(
        "app.attend",
        "exclamation_mark",
        "problems",
        "Answer the prompts of hosts, or show problems: contexts, configuration and past warnings",
        lambda services: services.workspace.answer_prompts(),
    ),
    AppAction(
        "app.search_logs",
        "L",
        "search logs",
        "Search the logs of all tasks that the tasks pane shows",
        defer(lambda: searching_all.search_logs),
    ),
    AppAction(
        "app.action_log",
        "at",
        "audit log",
        "Show the audit log: each change with its exact call, user, time and result",
        lambda services: audit_log.open_audit_log(services),
    ),
    AppAction("app.recordings", "f8", "recordings", "Play a recorded shell", defer(lambda: recordings.play)),
    AppAction("app.next_theme", "f9", "theme", "Switch to the next theme", _show_next_theme),
    AppAction(
        "app.quit",
        "q",
        "quit",
        "Leave the dashboard; your tasks continue to run. Asks first while a shell is open",
        _quit,
        in_footer=True,
    ),
)
