"""The actions of the instances pane: their keys and texts, and why one can't be done now."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flow_tui.actions import Action, LazyModule
from flow_tui.bid_prices import propose_limit
from flow_tui.panes.table_actions import filter_action, move_actions, sort_actions

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance
    from flow_tui.dialogs.submit import open_form
    from flow_tui.panes.table_pane import TablePane

    InstancesTable = TablePane[AvailableInstance]
    InstanceAction = Action[InstancesTable]
else:
    InstanceAction = Action
    open_form = LazyModule("flow_tui.dialogs.submit.open_form")


def _submit_here(pane: InstancesTable) -> None:
    """Opens the submit form for the selected instance type.

    Fills the region if the context has a market, or a scheduler with partitions; in a market also a price limit.
    """
    instance, fleet = pane.selected, pane.services.fleet
    if instance is not None:
        preset = {"context": instance.context, "gpu": instance.instance_type}
        if fleet.has_market(instance.context):
            limit = propose_limit(Decimal(str(instance.price_per_hour)))
            preset |= {"region": instance.region, "limit": str(limit) if limit else ""}
        elif fleet.has_scheduler(instance.context):
            preset |= {"region": instance.region}
        open_form.open_submit_form(pane.services, preset)


def _explain_unreachable(pane: InstancesTable) -> str | None:
    instance = pane.selected
    if instance is None:
        return "no instance type is selected"
    return instance.description or "it is unreachable" if instance.is_down else None


ACTIONS: tuple[Action[Any], ...] = (
    *move_actions("instances"),
    InstanceAction(
        "instances.submit_here",
        "enter",
        "submit",
        "Submit a task on this instance type",
        _submit_here,
        _explain_unreachable,
        in_footer=True,
        changes=True,
    ),
    filter_action("instances", "Show matching instance types"),
    *sort_actions("instances"),
)
