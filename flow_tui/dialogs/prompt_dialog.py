"""The dialogs for the prompts of hosts. Text that the user typed for another widget can't answer them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from flow_core.prompter import HostKeyPrompt, SecretPrompt
from flow_tui.dialogs.dialog import Dialog, Fact, to_safe_content
from flow_tui.dialogs.field import LineInput

_YES = "yes"
_LONGEST_PROMPT = 4000
_HASH = "SHA256:"
_OBSOLETE = "The login has ended, so this answer is no longer needed. Press esc to close."


class PromptDialog(Dialog[str | None]):
    """A prompt with an input line. Its answer is None if the user refuses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Refuse", id="asked.refuse", tooltip="Give no answer"),
        Binding("pagedown,down", "page(1)", "Page down", show=False, id="asked.page_down"),
        Binding("pageup,up", "page(-1)", "Page up", show=False, id="asked.page_up"),
    ]
    ASK: ClassVar[str] = ""

    def __init__(self, heading: str, line: Input, *, enter: str, esc: str, problem: str = "") -> None:
        super().__init__(heading, (("enter", enter), ("esc", esc)))
        self._line = line
        self._esc = esc
        self._problem = Static(classes="form-problem")
        if problem:
            self._show_problem(Content(problem))

    def compose_footer(self) -> Iterable[Widget]:
        if self.ASK:
            yield Static(self.ASK, markup=False, classes="confirm-ask")
        yield self._line
        yield self._problem

    def compose_buttons(self) -> Iterable[Widget]:
        refuse = Button(Content(self._esc.capitalize()), compact=True, variant="primary")
        refuse.can_focus = False
        yield refuse

    def on_mount(self) -> None:
        self._line.focus()

    def expire(self) -> None:
        """Shows that the answer is no longer needed. The dialog stays open and receives what the user still types."""
        self._line.value = ""
        self._line.disabled = True
        self._show_problem(Content(_OBSOLETE))

    def accept(self, text: str) -> None:
        """Handles the text when the user presses enter."""
        raise AssertionError("a question says what it takes for an answer")

    def action_refuse(self) -> None:
        self._answer(None)

    def _answer(self, answer: str | None) -> None:
        self._line.value = ""
        self.finish(answer)

    def _show_problem(self, message: Content) -> None:
        self._problem.update(message)
        self._problem.add_class("-wrong")

    @on(Button.Pressed)
    def _refuse(self) -> None:
        self._answer(None)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self.accept(self._line.value)


class HostKeyDialog(PromptDialog):
    """A prompt about an unknown host key. Only the word `yes` or the key's fingerprint accepts the key."""

    ASK = "Type yes, or paste the fingerprint that you expect, and press enter:"

    def __init__(self, key: HostKeyPrompt) -> None:
        super().__init__(
            f"Is this the key of {key.host}?", LineInput("", classes="confirm-word"), enter="accept", esc="refuse"
        )
        self._key = key

    def compose_body(self) -> Iterable[Widget]:
        key = self._key
        advice = (
            f"First connection to {key.host}. Compare the fingerprint; if it isn't the one you expect, someone may be"
        )
        yield Static(to_safe_content(f"{advice} intercepting the connection.\n"))
        yield Fact("Fingerprint:", key.fingerprint, classes="-asked")
        yield Fact("Key type:", key.key_type)
        yield Fact("Address:", key.seen_at)
        if key.context:
            yield Fact("Context:", key.context)
        yield Fact("Saved in:", key.saved_in or "not saved: valid for this connection only")

    def accept(self, text: str) -> None:
        answer = text.strip()
        if answer.lower() == _YES or answer == self._key.fingerprint:
            self._answer(_YES)
        elif answer.lower() == "no":
            self._answer(None)
        elif answer.startswith(_HASH):
            self._show_problem(Content("The fingerprint differs: this is not the host that you expect."))
        else:
            self._show_problem(Content("Type yes or the fingerprint; esc refuses the key."))


class SecretDialog(PromptDialog):
    """A prompt for a passphrase, a password or a code. It hides the text if the host wants that, and never keeps it."""

    def __init__(self, question: SecretPrompt) -> None:
        request = "asks for your input" if question.kind == "code" else f"prompts for a {question.kind}"
        super().__init__(
            f"{question.host} {request}",
            Hidden() if question.is_secret else LineInput("", classes="confirm-word"),
            enter="answer",
            esc="cancel the login",
            problem=_describe_failure(question),
        )
        self._question = question

    def compose_body(self) -> Iterable[Widget]:
        prompt = self._question.prompt
        prompt = prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[:_LONGEST_PROMPT]} …"
        if self._question.kind == "code":
            yield Fact("Prompt:", prompt)  # the host wrote this text, which may imitate flow's own
        else:
            yield Static(to_safe_content(prompt))
        if self._question.banner:
            yield Fact("Banner:", self._question.banner)
        if self._question.context:
            yield Fact("Context:", self._question.context)

    def accept(self, text: str) -> None:
        """Accepts an empty answer only for a code, because some hosts then send the code."""
        if text or self._question.kind == "code":
            self._answer(text)
        else:
            self._show_problem(Content(f"Enter the {self._question.kind}, or press esc to cancel the login."))


class Hidden(Input):
    """An input line that shows dots. Its text can't be copied."""

    def __init__(self) -> None:
        super().__init__(password=True, compact=True, select_on_focus=False, classes="confirm-word")

    def action_copy(self) -> None:
        raise SkipAction  # lets the key act elsewhere

    def action_cut(self) -> None:
        self.action_delete_left_all()
        self.action_delete_right_all()


def _describe_failure(question: SecretPrompt) -> str:
    if question.attempt == 1:
        return ""
    if question.kind == "code":
        return "The host prompts again: it needs a second code, or your last answer was wrong."
    return f"Wrong {question.kind}. Attempt {question.attempt}."
