"""A screen on top of another screen. It closes once, with one answer."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Modal(ModalScreen[Answer], Generic[Answer]):
    """The base of every dialog. Close it with `finish`, because `dismiss` closes the topmost screen."""

    # The app's own bindings don't act in a modal screen, but ctrl+c must always act.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "app.interrupt", show=False)]

    _late_answer: tuple[Answer] | None = None
    _is_finished: bool = False

    def finish(self, answer: Answer) -> None:
        """Closes the screen with this answer, as soon as it is the topmost one. Only the first call has an effect."""
        if self._late_answer is None:
            self._late_answer = (answer,)
        if self.is_active and not self._is_finished:
            self._is_finished = True  # a second dismissal would close the screen below
            self.dismiss(self._late_answer[0])

    def action_finish(self) -> None:
        """Closes the screen with the answer None."""
        self.finish(None)  # type: ignore[arg-type]

    def on_screen_resume(self) -> None:
        if self._late_answer is not None:
            self.finish(self._late_answer[0])
