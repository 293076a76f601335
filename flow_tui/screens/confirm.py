"""The question before something is destroyed or money is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from flow_tui.screens.dialog import Dialog, Fact, shown
from flow_tui.screens.field import Line


class Confirm(Dialog[bool]):
    """Says what exactly will be called, what it costs, what is lost and what stays; True once the user agreed.

    `y` agrees, or the `word` typed in full where one is given. Enter alone never does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "agree", "Confirm", id="confirm.agree", tooltip="Do it"),
        Binding("escape,n,q", "refuse", "Cancel", id="confirm.refuse", tooltip="Change nothing"),
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
    ) -> None:
        self._word = (word or "").strip()
        agree = (("enter", "when typed"),) if self._word else (("y", "confirm"),)
        refuse = "esc" if self._word else "n esc"
        super().__init__(title, (*agree, (refuse, "cancel")))
        self._facts = facts
        # the longest last: it may scroll
        told = (("Costs", costs), ("Loses", loses), ("Keeps", keeps), ("Runs", call))
        self._told = tuple((label, text) for label, text in told if text)

    def body(self) -> Iterable[Widget]:
        for fact in self._facts:
            yield Static(shown(fact), classes="confirm-fact")
        for label, text in self._told:
            yield Fact(f"{label}:", text, classes=f"-{label.lower()}")

    def foot(self) -> Iterable[Widget]:
        if self._word:
            ask = Content.assemble("Type ", shown(self._word, "bold $warning"), " and press enter to confirm:")
            yield Static(ask, classes="confirm-ask")
            yield Line("", classes="confirm-word")
            yield Static(classes="form-problem")
        else:
            yield Static("Enter does nothing but cancel here.", markup=False, classes="confirm-ask")

    def buttons(self) -> Iterable[Widget]:
        yield Button(Content("Cancel"), compact=True, classes="-cancel", variant="primary")
        if not self._word:
            agree = Button(Content("Confirm"), compact=True, classes="-agree", variant="error")
            agree.can_focus = False  # the mouse may, Enter may not
            yield agree

    def on_mount(self) -> None:
        self.query_one(".confirm-word" if self._word else ".-cancel").focus()

    def action_agree(self) -> None:
        if not self._word:
            self.finish(True)

    def action_refuse(self) -> None:
        self.finish(False)

    def action_page(self, pages: int) -> None:
        self.scrolled.scroll_relative(y=pages * max(1, self.scrolled.size.height - 1), animate=False)

    @on(Button.Pressed, ".-cancel")
    def _cancelled(self) -> None:
        self.finish(False)

    @on(Button.Pressed, ".-agree")
    def _clicked(self) -> None:
        self.finish(True)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.finish(True)
            return
        problem = self.query_one(".form-problem", Static)
        problem.update(Content.assemble("That is not ", shown(self._word), "; nothing was done."))
        problem.add_class("-wrong")
