"""A dialog with fields. After an error, the form stays open with its values and shows the error at the wrong field."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import events, on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Button, Static

from flow_core.errors import FlowError
from flow_tui.dialogs.dialog import Dialog, Hints, to_safe_content
from flow_tui.dialogs.field import Field, name_alt_enter

Answer = TypeVar("Answer")
# Providers have their own deadlines; this one is for a provider that misses its deadline. It is long because the user
# may need time to answer a host's prompt, and must not lose the request.
_ANSWER_S = 600.0


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why the form was refused, and the key of the field with the wrong value, if there is one."""

    text: str
    field: str | None = None


class Form(Dialog[Answer | None]):
    """A dialog with fields and a send button. If the user closes it without sending, `draft` keeps the values."""

    FIELD_OF: ClassVar[Mapping[str, str]] = {}
    """Maps field names of a ConfigError to the keys of this form's fields."""
    SEND: ClassVar[str] = "Submit"
    SENDING: ClassVar[str] = "submitting…"
    HINTS: ClassVar[Hints] = ()
    """Hints for keys that only this form has."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,alt+enter", "send", "Submit", id="form.send", tooltip="Check and submit"),
        Binding("escape", "close", "Close", id="form.close", tooltip="Close and keep what you typed"),
    ]

    busy: var[bool] = var(False)
    problem: var[Problem | None] = var[Problem | None](None)

    def __init__(self, heading: str) -> None:
        super().__init__(heading, (("ctrl+s", self.SEND.lower()), ("esc", "close"), ("tab", "next"), *self.HINTS))
        self.draft: Mapping[str, str] = {}

    def make_fields(self) -> Iterable[Field]:
        """Returns the fields, in their order."""
        raise NotImplementedError

    async def confirm(self, entered: Mapping[str, str]) -> None:
        """Asks the user first if sending the form spends money. Raises FlowError if the user refuses."""

    async def send(self, entered: Mapping[str, str]) -> Answer:
        """Sends the values and returns the answer. Raises FlowError."""
        raise NotImplementedError

    def compose_body(self) -> Iterable[Widget]:
        return self.make_fields()

    def compose_footer(self) -> Iterable[Widget]:
        yield Static(classes="form-problem")

    def compose_buttons(self) -> Iterable[Widget]:
        yield Button(Content(self.SEND), compact=True, variant="primary", classes="-send")
        yield Button(Content("Close"), compact=True, classes="-close")

    @property
    def entered(self) -> dict[str, str]:
        """The values of the fields, by key."""
        return {field.key: field.entered for field in self.query(Field)}

    @property
    def kept(self) -> Mapping[str, str]:
        """The values to fill the next form with, if this one is closed without an answer."""
        return self.entered

    @on(Button.Pressed, ".-send")
    def action_send(self) -> None:
        if not self.busy and self.entered:  # a key may come before the fields are mounted
            self.problem = None
            self.busy = True
            self._send(self.entered)

    def on_key(self, event: events.Key) -> None:
        name_alt_enter(event)

    @on(Button.Pressed, ".-close")
    def action_close(self) -> None:
        if not self.busy:
            self.draft = self.kept
            self.finish(None)
            return
        self.workers.cancel_group(self, "submit")
        self.busy = False
        self.problem = Problem(
            "You stopped waiting. The request may have been carried out; check before you submit it again."
        )

    @work(group="submit", exclusive=True)
    async def _send(self, entered: Mapping[str, str]) -> None:
        problem = await self._attempt(entered)
        self.busy = False
        self.problem = problem

    async def _attempt(self, entered: Mapping[str, str]) -> Problem | None:
        try:
            await self.confirm(entered)  # no deadline while the user decides
            async with asyncio.timeout(_ANSWER_S):
                answer = await self.send(entered)
        except FlowError as error:
            return self._locate_problem(error)
        except TimeoutError:
            return Problem(
                f"No answer within {_ANSWER_S:.0f} s. Check whether it was carried out before you submit it again."
            )
        self.finish(answer)
        return None

    def _locate_problem(self, error: FlowError) -> Problem:
        key = self.FIELD_OF.get((error.field or "").partition(".")[0])
        if key is None or key not in self.entered:
            return Problem(str(error))
        return Problem(error.reason, key)

    def watch_busy(self) -> None:
        self._draw_foot()

    def watch_problem(self, problem: Problem | None) -> None:
        for field in self.query(Field):
            if problem is not None and field.key == problem.field:
                field.show_error(problem.text)
            else:
                field.accept()
        self._draw_foot()

    def _draw_foot(self) -> None:
        wrong = self.problem.text if self.problem is not None and self.problem.field is None else ""
        for line in self.query(".form-problem").results(Static):
            line.update(to_safe_content(self.SENDING if self.busy else wrong))
            line.set_class(self.busy, "-busy")  # on this line only: a class of the form styles every field again
            line.set_class(bool(wrong) and not self.busy, "-wrong")
