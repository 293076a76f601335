"""Who carries out the actions of each place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_tui.key_names import short_key, written_key
from flow_tui.keymap import ACTIONS, Action, actions_of
from flow_tui.screens.action_log import ActionLogScreen
from flow_tui.screens.bid import proposed_limit
from flow_tui.screens.bidding import Bidding
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.contexts import ContextsScreen
from flow_tui.screens.disclosing import Disclosing
from flow_tui.screens.help import HelpEntry, HelpScreen
from flow_tui.screens.layout import PANES
from flow_tui.screens.pick import Pick
from flow_tui.screens.shell_deeds import ShellDeeds
from flow_tui.screens.submit import SubmitForm
from flow_tui.screens.task_deeds import TaskDeeds
from flow_tui.screens.volume_deeds import VolumeDeeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flow_core.client.task import AsyncTask
    from flow_core.models.spec import TaskConfig
    from flow_tui.screens.dashboard import DashboardScreen


def deeds_for(place: str, dashboard: DashboardScreen) -> Any:
    """The deeds of a place; None for one whose pane does all itself."""
    kinds: dict[str, Any] = {
        "app": AppDeeds,
        "tasks": TaskDeeds,
        "instances": InstanceDeeds,
        "volumes": VolumeDeeds,
        "logs": LogDeeds,
        "shell": ShellDeeds,
    }
    return kinds[place](dashboard) if place in kinds else None


class AppDeeds:
    """What can be done from everywhere."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    def action_show_tasks(self) -> None:
        self._dashboard.show_pane("tasks")

    def action_show_instances(self) -> None:
        self._dashboard.show_pane("instances")

    def action_show_volumes(self) -> None:
        self._dashboard.show_pane("volumes")

    def action_show_logs(self) -> None:
        self._dashboard.show_pane("logs")

    def action_show_shell(self) -> None:
        self._dashboard.show_pane("shell")

    def action_next_pane(self) -> None:
        self._dashboard.move_focus(1)

    def action_previous_pane(self) -> None:
        self._dashboard.move_focus(-1)

    def action_zoom(self) -> None:
        self._dashboard.toggle_zoom()

    def action_back(self) -> None:
        self._dashboard.go_back()

    def action_previous_screen(self) -> None:
        self._dashboard.go_to_last()

    def action_palette(self) -> None:
        self._dashboard.app.action_command_palette()

    def action_refresh(self) -> None:
        self._dashboard.questions.forget_refusals()
        self._dashboard.fleet.refresh()

    def action_attend(self) -> None:
        if self._dashboard.asking.is_called_for:
            self._dashboard.asking.go_through()
        else:
            dashboard = self._dashboard
            screen = ContextsScreen(dashboard.fleet, self.action_refresh, dashboard.problems, dashboard.past_notices)
            dashboard.app.push_screen(screen)

    def action_next_theme(self) -> None:
        app = self._dashboard.app
        ours = [name for name in app.available_themes if name in getattr(app, "own_themes", ())]
        if ours:
            app.theme = ours[(ours.index(app.theme) + 1) % len(ours)] if app.theme in ours else ours[0]

    def action_action_log(self) -> None:
        self._dashboard.app.push_screen(ActionLogScreen(self._dashboard.fleet.gate.log.recent()))

    async def action_recordings(self) -> None:
        from flow_tui.screens.replay import open_replay, recordings  # deferred: seldom wanted

        found = await recordings()
        if not found:
            key = written_key(self._dashboard.release_key)
            self._dashboard.say(f"nothing is recorded yet; {key} r in a shell starts a recording")
            return
        chosen = await self._dashboard.app.push_screen_wait(Pick("Recordings", found))
        if chosen is not None:
            await self._dashboard.app.push_screen_wait(await open_replay(Path(chosen)))

    def action_new_task(self) -> None:
        self._dashboard.open_submit_form()

    def action_write_task(self) -> None:
        self._dashboard.open_submit_form(in_editor=True)

    async def action_help(self) -> None:
        place = self._dashboard.front
        actions = (*actions_of(place), *actions_of("app"))
        offered = [action for action in actions if not (action.changes and self._dashboard.is_read_only)]
        entries = [self._entry(action) for action in offered]
        chosen = await self._dashboard.app.push_screen_wait(HelpScreen(f"Keys: {place}", entries))
        if chosen is not None:
            self._dashboard.action_act(chosen)

    async def action_quit(self) -> None:
        if self._dashboard.shell.would_lose and not await self._dashboard.app.push_screen_wait(
            Confirm(
                "Quit while a shell is open?",
                ["Your tasks continue to run without the dashboard."],
                call="Closes the open shells.",
                loses="what runs in these shells",
                keeps="every task, its log and its volumes",
                agree="Quit",
                refuse="Stay here",
            )
        ):
            return
        await self._dashboard.shell.close_all()
        self._dashboard.app.exit()

    async def submit(self, preset: Mapping[str, str] | None, in_editor: bool) -> None:
        """The submit form, filled with `preset` or with what was typed and not submitted last time."""
        fleet = self._dashboard.fleet

        async def submit(context: str, config: TaskConfig) -> AsyncTask:
            with self._dashboard.questions.hurried(context):
                return await fleet.flow(context).run(config)

        form = SubmitForm(
            fleet.names,
            submit,
            preset=preset,
            draft=None if preset else self._dashboard.draft,
            slurm=[name for name in fleet.names if fleet.takes_batch_scripts(name)],
            bidding=Bidding(self._dashboard),
            disclosing=Disclosing(self._dashboard),
            in_editor=in_editor,
        )
        task = await self._dashboard.app.push_screen_wait(form)
        self._dashboard.draft = form.draft if task is None else None
        if task is not None:
            self._dashboard.await_task(task.record)

    def _entry(self, action: Action) -> HelpEntry:
        reason = self._dashboard.why_not(action.id)
        keys = " ".join(map(short_key, action.current_keys))
        return HelpEntry(keys, action.label, action.tooltip, action.id, reason)


class InstanceDeeds:
    """What is done with the selected instance type."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    def action_submit_here(self) -> None:
        instance = self._dashboard.instances.selected
        if instance is not None:
            preset = {"context": instance.context, "gpu": instance.instance_type}
            if self._dashboard.fleet.has_market(instance.context):
                limit = proposed_limit(Decimal(str(instance.price_per_hour)))
                preset |= {"region": instance.region, "limit": str(limit) if limit else ""}
            self._dashboard.open_submit_form(preset)


class LogDeeds:
    """What is done with the logs of the selected task."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    async def action_next_log(self) -> None:
        await self._dashboard.task_log.step(1)

    async def action_previous_log(self) -> None:
        await self._dashboard.task_log.step(-1)


assert {action.place for action in ACTIONS} <= {"app", *PANES}
