"""Carries out the actions on volumes that need a form or a confirmation."""

from __future__ import annotations

from functools import partial

from flow_core.errors import FlowError
from flow_core.filters.task_words import describe_gpus
from flow_core.models.task import TaskRecord
from flow_core.models.volume import Volume, VolumeInterface
from flow_tui import format
from flow_tui.bid_prices import describe_limit, get_bid_prices
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.table_pane import TablePane
from flow_tui.panes.volumes.attach_form import AttachForm
from flow_tui.panes.volumes.volume_form import VolumeForm
from flow_tui.services import Services


async def create(pane: TablePane[Volume]) -> None:
    services = pane.services

    async def send(context: str, size_gb: int, name: str, interface: str) -> Volume:
        with services.prompts.foreground(context):
            return await services.fleet.flow(context).create_volume(size_gb, name or None, _parse_interface(interface))

    contexts = [name for name in services.fleet.names if services.fleet.can_change_volumes(name)]
    form = VolumeForm(contexts, send, confirm=partial(_confirm_create, services))
    volume = await services.ask(form)
    if volume is not None:
        services.fleet.refresh(volume.context)


async def attach(pane: TablePane[Volume]) -> None:
    volume, services = pane.selected, pane.services
    if volume is None:
        return
    flow = services.fleet.flow(volume.context)

    async def send(task: TaskRecord, path: str | None) -> str:
        with services.prompts.foreground(volume.context):
            return await flow.attach_volume(volume.volume_id, task.task_id, path)

    tasks = [task for task in services.fleet.tasks if task.context == volume.context and not task.is_terminal]
    form = AttachForm(volume.name, tasks, send, partial(_confirm_attach, services, volume))
    path = await services.ask(form)
    if path is not None:
        services.notify(f"{volume.name} is at {path}")
        services.fleet.refresh(volume.context)


async def delete(pane: TablePane[Volume]) -> None:
    volume, services = pane.selected, pane.services
    if volume is None:
        return
    flow = services.fleet.flow(volume.context)
    facet = flow.provider.volumes
    question = Confirm(
        f"Delete volume {volume.name}?",
        [f"{volume.context}  {volume.interface}  {format.size(volume.size_gb)}"],
        call=facet.describe_delete(volume) if facet else "",
        loses="all data on the volume, permanently",
        keeps="all tasks and their logs",
        agree="Delete the volume",
        refuse="Keep the volume",
    )
    if await services.ask(question):
        with services.prompts.foreground(volume.context):
            await flow.delete_volume(volume.volume_id)
        services.fleet.refresh(volume.context)


async def _confirm_create(services: Services, context: str, size_gb: int, name: str, interface: str) -> None:
    """Asks first if the context has a market, because its storage has a price, too."""
    volumes = services.fleet.flow(context).provider.volumes
    if volumes is None or not services.fleet.has_market(context):
        return
    question = Confirm(
        f"Create volume {name}?" if name else "Create a volume?",
        [f"{context}  {interface}  {format.size(size_gb)}"],
        call=volumes.describe_create(size_gb, name or None, _parse_interface(interface)),
        costs=f"{format.size(size_gb)} of storage, billed by its size until you delete the volume",
        agree="Create the volume",
    )
    if not await services.ask(question):
        raise FlowError("Nothing was created.")


async def _confirm_attach(services: Services, volume: Volume, task: TaskRecord, path: str | None) -> None:
    """Asks first if the context has a market, because the task must give its machines back to get a volume."""
    volumes = services.fleet.flow(volume.context).provider.volumes
    if volumes is None or not services.fleet.has_market(volume.context):
        return
    bid = get_bid_prices(task)
    question = Confirm(
        f"Attach {volume.name} to {task.name}?",
        [f"{task.context}  {task.status.value}  {describe_gpus(task)}"],
        call=volumes.describe_attach(volume.volume_id, task.task_id, path),
        costs="" if bid.limit is None else describe_limit(bid.limit, task.num_instances, bid.market),
        loses="the running command: the task is paused, and bids again" if task.is_command_running else "",
        keeps="its log and the data on its volumes",
        agree="Attach the volume",
    )
    if not await services.ask(question):
        raise FlowError("Nothing was attached.")


def _parse_interface(interface: str) -> VolumeInterface:
    return "file" if interface == "file" else "block"
