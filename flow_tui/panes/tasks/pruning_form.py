"""The form that selects the ended tasks to prune."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from flow_core.errors import ConfigError, FlowError
from flow_core.models.pruning import PrunableTask, PruningPlan
from flow_tui import format
from flow_tui.dialogs.field import ChoiceInput, Field, LineInput
from flow_tui.dialogs.form import Form

Plan = Callable[[str, float | None, int | None, Sequence[str]], Awaitable[PruningPlan]]
"""(context name, days, how many to keep, ids or names) -> the plan; raises FlowError."""

_SHOWN_MAX = 8


class PruningForm(Form[PruningPlan]):
    """A form for an age, a number and names. It answers a plan and removes nothing; None if the user closes it."""

    SEND: ClassVar[str] = "Review…"
    SENDING: ClassVar[str] = "checking the tasks…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {"older_than_days": "days", "keep_last": "keep", "task_ids": "named"}

    def __init__(self, contexts: Sequence[str], plan: Plan, preset: Mapping[str, str]) -> None:
        super().__init__("Prune ended tasks")
        self._contexts = contexts
        self._plan = plan
        self._initial_values = preset

    def make_fields(self) -> Iterable[Field]:
        initial = self._initial_values.get
        yield Field("days", "age in days", LineInput(initial("days", "30"), placeholder="since their end; optional"))
        yield Field(
            "keep",
            "keep last",
            LineInput(initial("keep", ""), placeholder="how many of the last ended tasks to keep; optional"),
        )
        yield Field(
            "named",
            "also prune",
            LineInput(initial("named", ""), placeholder="ids or names of tasks, also of those that made files"),
        )
        yield Field("context", "context", ChoiceInput(self._contexts, initial("context", "")))

    async def send(self, entered: Mapping[str, str]) -> PruningPlan:
        self.draft = dict(entered)
        days, keep, named = (
            _parse_days(entered["days"]),
            _parse_count(entered["keep"]),
            entered["named"].replace(",", " ").split(),
        )
        if days is None and keep is None and not named:
            raise ConfigError("older_than_days: enter an age, a number or names", field="older_than_days")
        plan = await self._plan(entered["context"], days, keep, named)
        if not plan.tasks:
            raise FlowError(_explain_empty_plan(plan))
        return plan


def list_tasks(tasks: Sequence[PrunableTask]) -> str:
    """Lists the first tasks, one a line, with the files that each task made."""
    lines = [
        f"  {task.name}  {task.task_id}  {format.disk_size(task.size_bytes)}{_describe_files(task)}" for task in tasks
    ]
    more = len(lines) - _SHOWN_MAX
    return "\n".join(lines[:_SHOWN_MAX] + ([f"  and {more} more"] if more > 0 else []))


def _describe_files(task: PrunableTask) -> str:
    more = len(task.made_files) - 3
    return (
        (": " + ", ".join(task.made_files[:3]) + (f" and {more} more" if more > 0 else "")) if task.made_files else ""
    )


def _explain_empty_plan(plan: PruningPlan) -> str:
    if plan.kept:
        return f"These tasks made files. To prune them, enter their names:\n{list_tasks(plan.kept)}"
    for task_id, why in plan.refused.items():
        return f"Task {task_id} can't be pruned: {why}."
    return f"No ended task in {plan.context} matches."


def _parse_days(text: str) -> float | None:
    if not (number := text.strip().removesuffix("d").strip()):
        return None
    try:
        return float(number)
    except ValueError:
        raise ConfigError("older_than_days: enter a number of days, such as 30", field="older_than_days") from None


def _parse_count(text: str) -> int | None:
    if not (number := text.strip()):
        return None
    if not (number.isascii() and number.isdecimal()):
        raise ConfigError("keep_last: enter a number, such as 100", field="keep_last")
    return int(number)
