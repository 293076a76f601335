"""The dialog that asks before something is destroyed or money is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from flow_tui.dialogs.dialog import Dialog, Fact, measure_labels, to_safe_content
from flow_tui.dialogs.field import LineInput


class Confirm(Dialog[bool]):
    """A dialog that shows the exact call, its cost, what is lost and what is kept. It answers whether the user agrees.

    `y` agrees, or the whole `word` if one is given. Enter alone never agrees.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "agree", "Agree", id="confirm.agree", tooltip="Do it"),
        Binding("escape,n,q", "refuse", "Go back", id="confirm.refuse", tooltip="Change nothing"),
        Binding("pagedown,down", "page(1)", "Page down", show=False, id="confirm.page_down"),
        Binding("pageup,up", "page(-1)", "Page up", show=False, id="confirm.page_up"),
    ]

    def __init__(
        self,
        title: str,
        facts: Sequence[str],
        call: str,
        loses: str = "",
        keeps: str = "",
        word: str | None = None,
        *,
        costs: str = "",
        agree: str = "Continue",
        refuse: str = "Go back",
    ) -> None:
        self._word = (word or "").strip()
        super().__init__(title, (("enter", "accept"), ("esc", "go back")) if self._word else ())
        self._agree = agree
        self._facts = facts
        # the longest section comes last, because it may scroll
        sections = (("-costs", "Cost", costs), ("-loses", "You lose", loses), ("-keeps", "You keep", keeps))
        self._sections = tuple(entry for entry in (*sections, ("-call", "What will be done", call)) if entry[2])
        self._line = LineInput("", classes="confirm-word")
        self._problem = Static(classes="form-problem")
        self._cancel = Button(Content(refuse), compact=True, classes="-cancel", variant="primary")

    def compose_body(self) -> Iterable[Widget]:
        for fact in self._facts:
            yield Static(to_safe_content(fact), classes="confirm-fact")
        width = measure_labels(f"{label}:" for _, label, _ in self._sections)
        for kind, label, text in self._sections:
            yield Fact(f"{label}:", text, width=width, classes=kind)

    def compose_footer(self) -> Iterable[Widget]:
        if self._word:
            ask = Content.assemble("Type ", to_safe_content(self._word, "bold $warning"), " and press enter:")
            yield Static(ask, classes="confirm-ask")
            yield self._line
            yield self._problem
        else:
            sentence = f"Press y to {self._agree[:1].lower()}{self._agree[1:]}; enter and esc go back."
            yield Static(sentence, markup=False, classes="confirm-ask")

    def compose_buttons(self) -> Iterable[Widget]:
        yield self._cancel
        if not self._word:
            agree = Button(Content(self._agree), compact=True, classes="-agree", variant="error")
            agree.can_focus = False  # the mouse may press it, enter may not
            yield agree

    def on_mount(self) -> None:
        (self._line if self._word else self._cancel).focus()

    def action_agree(self) -> None:
        if not self._word:
            self.finish(True)

    def action_refuse(self) -> None:
        self.finish(False)

    @on(Button.Pressed, ".-cancel")
    def _refuse_by_mouse(self) -> None:
        self.finish(False)

    @on(Button.Pressed, ".-agree")
    def _agree_by_mouse(self) -> None:
        self.finish(True)

    @on(Input.Submitted)
    def _check_word(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.finish(True)
            return
        self._problem.update(Content.assemble("Type ", to_safe_content(self._word), " exactly; esc goes back."))
        self._problem.add_class("-wrong")
