"""What the dashboard does with the selected volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.models.task import TaskRecord
from flow_core.models.volume import Volume, VolumeInterface
from flow_tui import format
from flow_tui.screens.attach import AttachForm
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.volume_form import VolumeForm

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen

_NEED_A_VOLUME = frozenset({"attach", "delete", "users", "copy"})


class VolumeDeeds:
    """Carries out the actions of the volumes pane that reach beyond it."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    @property
    def volume(self) -> Volume | None:
        return self._dashboard.volumes.selected

    def why_not(self, verb: str) -> str | None:
        """Why this can't be done now, as a sentence; None when it can."""
        if verb not in _NEED_A_VOLUME:
            return None
        volume = self.volume
        if volume is None:
            return "no volume is selected; c makes one"
        if verb == "delete" and volume.attached_to:
            return f"{volume.name} is attached to {self._dashboard.volumes.users_of(volume)}; end that first"
        if verb == "attach" and not self._open_tasks(volume):
            return f"no unfinished task in {volume.context} could take {volume.name}"
        if verb == "users" and not volume.attached_to:
            return f"nobody uses {volume.name}"
        return None

    async def action_create(self) -> None:
        fleet = self._dashboard.fleet

        async def create(context: str, size_gb: int, name: str, interface: str) -> Volume:
            kind: VolumeInterface = "file" if interface == "file" else "block"
            return await fleet.flow(context).create_volume(size_gb, name or None, kind)

        volume = await self._dashboard.app.push_screen_wait(VolumeForm(fleet.names, create))
        if volume is not None:
            fleet.refresh(volume.context)

    async def action_attach(self) -> None:
        volume = self.volume
        if volume is None:
            return
        flow = self._dashboard.fleet.flow(volume.context)

        async def attach(task: TaskRecord, path: str | None) -> str:
            return await flow.attach_volume(volume.volume_id, task.task_id, path)

        path = await self._dashboard.app.push_screen_wait(AttachForm(volume.name, self._open_tasks(volume), attach))
        if path is not None:
            self._dashboard.say(f"{volume.name} is at {path}")
            self._dashboard.fleet.refresh(volume.context)

    async def action_delete(self) -> None:
        volume = self.volume
        if volume is None:
            return
        flow = self._dashboard.fleet.flow(volume.context)
        facets = flow.provider.volumes
        question = Confirm(
            f"Delete volume {volume.name}?",
            [f"{volume.context}  {volume.interface}  {format.size(volume.size_gb)}"],
            call=facets.describe_delete(volume) if facets else "",
            loses="everything stored on it, for good",
            keeps="every task and its log",
        )
        if await self._dashboard.app.push_screen_wait(question):
            await flow.delete_volume(volume.volume_id)
            self._dashboard.fleet.refresh(volume.context)

    def action_users(self) -> None:
        if self.volume is not None and self.volume.attached_to:
            self._dashboard.go_to_task((self.volume.context, self.volume.attached_to[0]))

    def action_copy(self) -> None:
        if self.volume is not None:
            self._dashboard.copy(self.volume.volume_id)

    def _open_tasks(self, volume: Volume) -> list[TaskRecord]:
        tasks = self._dashboard.fleet.tasks
        return [task for task in tasks if task.context == volume.context and not task.is_terminal]
