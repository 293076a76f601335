"""The form that starts a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from flow_core.errors import ConfigError, FlowError
from flow_tui.dialogs.dialog import HintLines, Hints, to_safe_content
from flow_tui.dialogs.field import ChoiceInput, Field, LineInput, LinesInput
from flow_tui.dialogs.form import Form, Problem
from flow_tui.dialogs.submit.cost_confirmation import CostConfirmation
from flow_tui.dialogs.submit.disclosure_confirmation import DisclosureConfirmation
from flow_tui.dialogs.submit.form_to_config import parse_task_config
from flow_tui.dialogs.submit.request_review import RequestReview, ReviewTexts

if TYPE_CHECKING:
    from flow_core.client.task import AsyncTask
    from flow_core.models.task_config import TaskConfig
    from flow_tui.dialogs.submit.editor_draft import EditorDraft

Submit = Callable[[str, "TaskConfig"], Awaitable["AsyncTask"]]
"""(context name, config) -> the task."""

_IN_REST = (
    "unique_name", "idempotency_key", "min_cpus", "min_memory_gb", "num_instances", "distributed_mode",
    "streams", "tty",
    "internode_interconnect", "intranode_interconnect", "k8s", "image", "data_mounts", "ports", "retries",
    "min_run_time_hours", "deadline_hours", "ssh_keys", "allocation_mode", "reservation_id",
    "scheduled_start_time", "reserved_duration_hours", "priority", "upload_code", "upload_strategy",
    "upload_timeout", "code_root", "terminate_on_exit", "dev_vm", "after", "array", "provider_options",
)  # fmt: skip
_TEXT = "text"
_PAUSE_S = 0.6
_NO_EFFECT_ON_START = frozenset({"name", "env"})
_RARE_FIELDS = {
    "region": ("region", "any"),
    "limit": ("price limit", "USD per hour for one instance; required in the cloud"),
    "rest": ("other fields", ""),
}
"""Fields that are shown only if they have a value or matter in some context: their labels and placeholders."""


class SubmitForm(Form["AsyncTask"]):
    """The form that submits a task. Its answer is None if the user closes it; `draft` then has the values.

    `preset` and `draft` fill fields by key: name, command, context, gpu, env, volumes, working_dir,
    max_run_hours, region, limit, rest (shown only if set: a JSON table of TaskConfig fields without a control here),
    text (a task file that was refused). A preset takes precedence over a draft. `slurm` are the contexts that accept
    Slurm's scripts. `cost` handles the contexts where capacity has a price: the form has a price limit there, and the
    user confirms the cost before anything is sent. `disclosure` asks before a secret of this machine is sent.
    `review` shows the exact request, the requests of a script, and the expected start after a pause in typing.
    With `in_editor`, the editor opens immediately.
    """

    HINTS: ClassVar[Hints] = (("ctrl+e", "YAML"), ("ctrl+l", "preview"))
    BINDINGS: ClassVar[list[BindingType]] = [
        # It needs priority: text fields have their own binding for ctrl+e.
        Binding(
            "ctrl+e,f4", "edit", "Edit", id="submit.edit", tooltip="Edit the task as YAML in $EDITOR", priority=True
        ),
        Binding(
            "ctrl+l,f3", "preview", "Preview", id="submit.preview", tooltip="Show what will be sent", priority=True
        ),
    ]
    FIELD_OF: ClassVar[Mapping[str, str]] = dict.fromkeys(_IN_REST, "rest") | {
        "name": "name",
        "command": "command",
        "context": "context",
        "gpu": "gpu",
        "instance_type": "gpu",
        "gpu_type": "gpu",
        "gpu_count": "gpu",
        "min_gpu_memory_gb": "gpu",
        "env": "env",
        "volumes": "volumes",
        "working_dir": "working_dir",
        "max_run_time_hours": "max_run_hours",
        "region": "region",
        "max_price_per_hour": "limit",
        "rest": "rest",
    }

    def __init__(
        self,
        contexts: Sequence[str],
        submit: Submit,
        *,
        preset: Mapping[str, str] | None = None,
        draft: Mapping[str, str] | None = None,
        slurm: Collection[str] = (),
        cost: CostConfirmation | None = None,
        disclosure: DisclosureConfirmation | None = None,
        review: RequestReview | None = None,
        in_editor: bool = False,
    ) -> None:
        super().__init__("New task")
        self._contexts = contexts
        self._submit = submit
        self._slurm = slurm
        self._in_editor = in_editor
        self._cost = cost
        self._disclosure = disclosure
        self._review = None if review is None else ReviewTexts(review, self._config, slurm)
        self._pause: Timer | None = None
        self._reviewed: Mapping[str, str] = {}
        self._initial_values = {"gpu": "cpu"} | dict(draft or {}) | dict(preset or {})
        self._refused = self._initial_values.pop(_TEXT, None)
        self._editor_draft: EditorDraft | None = None
        self._sums = Static(classes="form-sums")

    def on_mount(self) -> None:
        self._review_after_pause()
        if self._in_editor:
            self.call_after_refresh(self.action_edit)

    def make_fields(self) -> Iterable[Field]:
        initial = self._initial_values.get
        yield Field("name", "name", LineInput(initial("name", ""), placeholder="optional, generated if empty"))
        command = LinesInput(
            initial("command", ""), placeholder="a shell command, or a script of several lines", classes="-command"
        )
        yield Field("command", "command", command)
        yield Field("context", "context", ChoiceInput(self._contexts, initial("context", "")))
        yield Field("gpu", "GPU", LineInput(initial("gpu", ""), placeholder="a100, 4xa100, gpu:40gb or cpu"))
        env = LinesInput(initial("env", ""), placeholder="NAME=value, one per line", classes="-env")
        yield Field("env", "environment", env)
        volumes = LineInput(initial("volumes", ""), placeholder="name:/path attaches; name:/path:100 creates 100 GB")
        yield Field("volumes", "volumes", volumes)
        yield Field(
            "working_dir",
            "directory",
            LineInput(initial("working_dir", ""), placeholder="working directory; the default depends on the context"),
        )
        hours = LineInput(
            initial("max_run_hours", ""), placeholder="12 (hours), 90m or 2d; at most 7d; empty: no limit"
        )
        yield Field("max_run_hours", "time limit", hours)
        for key in _RARE_FIELDS:
            if initial(key, "") or (key != "rest" and self._cost is not None and self._cost.is_expected):
                yield _make_rare_field(key, initial(key, ""))

    def compose_body(self) -> Iterable[Widget]:
        for field in self.make_fields():
            yield field
            if field.key == "command" and self._review is not None:
                yield self._review.script

    def compose_footer(self) -> Iterable[Widget]:
        if self._cost is not None:
            yield self._sums
        if self._review is not None:
            yield self._review.start
        yield from super().compose_footer()

    def compose_hints(self) -> Widget:
        return HintLines(self._hints)

    @on(Input.Changed)
    @on(ChoiceInput.Changed)
    def _show_bid_cost(self) -> None:
        if self._cost is not None and (entered := self.entered):
            sums = self._cost.sums(entered)
            self._sums.update(to_safe_content(sums))
            self._sums.display = bool(sums)

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceInput.Changed)
    def _review_after_pause(self) -> None:
        if self._review is None:
            return
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE_S, self._review_changes)

    def _review_changes(self) -> None:
        """Reviews the request if a field has changed that matters."""
        relevant = {key: value for key, value in self.entered.items() if key not in _NO_EFFECT_ON_START}
        if relevant and relevant != self._reviewed:
            self._reviewed = relevant
            self._show_review(self.entered)

    @work(group="review", exclusive=True)
    async def _show_review(self, entered: Mapping[str, str]) -> None:
        if self._review is not None:
            await self._review.show(entered)

    def action_preview(self) -> None:
        if not self.busy and self._review is not None and self.entered:
            self.problem = None
            self._show_preview(self._review, self.entered)

    @work(group="preview", exclusive=True)
    async def _show_preview(self, review: ReviewTexts, entered: Mapping[str, str]) -> None:
        try:
            preview = await review.make_preview(entered)
        except FlowError as error:
            self.problem = self._locate_problem(error)
            return
        self.app.push_screen(preview)

    async def confirm(self, entered: Mapping[str, str]) -> None:
        context = entered["context"]
        if not context or (self._cost is None and self._disclosure is None):
            return
        config = await self._config(entered)
        if self._cost is not None and self._cost.is_for(context):
            await self._cost.confirm(context, config)
        if self._disclosure is not None:
            await self._disclosure.confirm(context, config)

    async def send(self, entered: Mapping[str, str]) -> AsyncTask:
        if not entered["context"]:
            raise ConfigError("no context is configured", field="context")
        return await self._submit(entered["context"], await self._config(entered))

    async def _config(self, entered: Mapping[str, str]) -> TaskConfig:
        """Returns the config of the form. Raises ConfigError."""
        for_slurm = entered["context"] in self._slurm
        return await asyncio.to_thread(_make_config, entered, for_slurm)  # the first call loads pydantic

    @property
    def kept(self) -> Mapping[str, str]:
        """The values of the fields, and the refused text, if there is one."""
        refused = self._refused if self._editor_draft is None else self._editor_draft.refused
        return self.entered if refused is None else self.entered | {_TEXT: refused}

    def action_edit(self) -> None:
        if not self.busy:
            self._edit()

    @work(group="edit", exclusive=True)
    async def _edit(self) -> None:
        if self._editor_draft is None:
            from flow_tui.dialogs.submit.editor_draft import (
                EditorDraft,  # lazy import: most tasks are written in the form
            )

            self._editor_draft = EditorDraft(self._refused)
        try:
            filling = await self._editor_draft.edit(self.app, self.entered)
        except FlowError as error:
            self.problem = Problem(str(error))
            return
        if filling is not None and self.is_attached:
            self.problem = None
            await self._fill(filling)

    def _locate_problem(self, error: FlowError) -> Problem:
        """Keeps the field's name in errors about `rest`, which is a table of many fields."""
        problem = super()._locate_problem(error)
        return Problem(str(error), problem.field) if problem.field == "rest" else problem

    async def _fill(self, filling: Mapping[str, str]) -> None:
        for field in self.query(Field):
            if field.key in filling:
                field.fill(filling[field.key])
        shown_fields = {field.key: field for field in self.query(Field)}
        for key in _RARE_FIELDS:
            if filling.get(key) and key not in shown_fields:
                await self.scrolled.mount(_make_rare_field(key, filling[key]))
        if not filling["rest"] and "rest" in shown_fields:
            await shown_fields["rest"].remove()


def _make_rare_field(key: str, value: str) -> Field:
    label, placeholder = _RARE_FIELDS[key]
    return Field(key, label, LineInput(value, placeholder=placeholder))


def _make_config(entered: Mapping[str, str], for_slurm: bool) -> TaskConfig:
    from flow_core.models.task_sources import explain_slurm_script, explain_task_file  # lazy import: loads pydantic

    config = parse_task_config(entered)
    if isinstance(config.command, str) and (refusal := explain_task_file(config.command)) is not None:
        raise ConfigError(f"{refusal}; ctrl+e opens this form as YAML", field="command")
    if not for_slurm and isinstance(config.command, str) and (reason := explain_slurm_script(config.command)):
        raise ConfigError(reason, field="command")
    return config
