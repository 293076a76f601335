"""Opens the submit form and submits the task."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from flow_tui.dialogs.submit.cost_confirmation import CostConfirmation
from flow_tui.dialogs.submit.disclosure_confirmation import DisclosureConfirmation
from flow_tui.dialogs.submit.request_review import RequestReview
from flow_tui.dialogs.submit.submit_form import SubmitForm
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_core.client.task import AsyncTask
    from flow_core.models.task_config import TaskConfig

_DRAFT = "submit"


def open_submit_form(services: Services, preset: Mapping[str, str] | None = None, *, in_editor: bool = False) -> None:
    """Opens the form, filled with `preset` or else with the draft of the last form. Returns immediately."""
    services.start(partial(_submit, services, preset, in_editor), "submit")


async def _submit(services: Services, preset: Mapping[str, str] | None, in_editor: bool) -> None:
    fleet = services.fleet

    async def submit(context: str, config: TaskConfig) -> AsyncTask:
        with services.prompts.foreground(context):
            return await fleet.flow(context).run(config)

    form = SubmitForm(
        fleet.names,
        submit,
        preset=preset,
        draft=None if preset else services.drafts.get(_DRAFT),
        slurm=[name for name in fleet.names if fleet.takes_batch_scripts(name)],
        cost=CostConfirmation(services),
        disclosure=DisclosureConfirmation(services),
        review=RequestReview(services),
        in_editor=in_editor,
    )
    task = await services.ask(form)
    services.drafts[_DRAFT] = form.draft if task is None else {}
    if task is not None:
        services.selection.request(task.record.key)
        fleet.refresh(task.record.context)
