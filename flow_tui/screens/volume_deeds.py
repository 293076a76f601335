"""What the dashboard does with the selected volume."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.models.volume import Volume, VolumeInterface
from flow_tui import format
from flow_tui.screens.attach import AttachForm
from flow_tui.screens.bid import bid_line, bid_of
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.reasons import open_tasks
from flow_tui.screens.volume_form import VolumeForm

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen


class VolumeDeeds:
    """Carries out the actions of the volumes pane that reach beyond it."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    @property
    def volume(self) -> Volume | None:
        return self._dashboard.volumes.selected

    async def action_create(self) -> None:
        fleet = self._dashboard.fleet

        async def create(context: str, size_gb: int, name: str, interface: str) -> Volume:
            with self._dashboard.questions.hurried(context):
                return await fleet.flow(context).create_volume(size_gb, name or None, _kind(interface))

        form = VolumeForm(fleet.names, create, consent=self._consent_to_create)
        volume = await self._dashboard.app.push_screen_wait(form)
        if volume is not None:
            fleet.refresh(volume.context)

    async def action_attach(self) -> None:
        volume = self.volume
        if volume is None:
            return
        flow = self._dashboard.fleet.flow(volume.context)

        async def attach(task: TaskRecord, path: str | None) -> str:
            with self._dashboard.questions.hurried(volume.context):
                return await flow.attach_volume(volume.volume_id, task.task_id, path)

        path = await self._dashboard.app.push_screen_wait(
            AttachForm(
                volume.name, open_tasks(self._dashboard, volume), attach, partial(self._consent_to_attach, volume)
            )
        )
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
            agree="Delete the volume",
            refuse="Keep it",
        )
        if await self._dashboard.app.push_screen_wait(question):
            with self._dashboard.questions.hurried(volume.context):
                await flow.delete_volume(volume.volume_id)
            self._dashboard.fleet.refresh(volume.context)

    async def _consent_to_create(self, context: str, size_gb: int, name: str, interface: str) -> None:
        """Where capacity has a price, storage has one too."""
        volumes = self._dashboard.fleet.flow(context).provider.volumes
        if volumes is None or not self._dashboard.fleet.has_market(context):
            return
        question = Confirm(
            f"Create volume {name}?" if name else "Create a volume?",
            [f"{context}  {interface}  {format.size(size_gb)}"],
            call=volumes.describe_create(size_gb, name or None, _kind(interface)),
            costs=f"{format.size(size_gb)} of storage, billed by its size until you delete the volume",
            agree="Create the volume",
        )
        if not await self._dashboard.app.push_screen_wait(question):
            raise FlowError("Nothing was created.")

    async def _consent_to_attach(self, volume: Volume, task: TaskRecord, path: str | None) -> None:
        """Where machines are bid for, a task has to let go of them to be given a volume."""
        volumes = self._dashboard.fleet.flow(volume.context).provider.volumes
        if volumes is None or not self._dashboard.fleet.has_market(volume.context):
            return
        bid = bid_of(task)
        question = Confirm(
            f"Attach {volume.name} to {task.name}?",
            [f"{task.context}  {task.status.value}  {format.gpus(task)}"],
            call=volumes.describe_attach(volume.volume_id, task.task_id, path),
            costs="" if bid.limit is None else bid_line(bid.limit, task.num_instances, bid.market),
            loses="what runs on its machines: the task is paused, and bids again",
            keeps="its log and the data on its volumes",
            agree="Attach the volume",
        )
        if not await self._dashboard.app.push_screen_wait(question):
            raise FlowError("Nothing was attached.")

    def action_users(self) -> None:
        if self.volume is not None and self.volume.attached_to:
            self._dashboard.go_to_task((self.volume.context, self.volume.attached_to[0]))

    def action_copy(self) -> None:
        if self.volume is not None:
            self._dashboard.copy(self.volume.volume_id)


def _kind(interface: str) -> VolumeInterface:
    return "file" if interface == "file" else "block"
