"""A screen on top of another one. It closes once, with one answer."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Modal(ModalScreen[Answer], Generic[Answer]):
    """The base of every dialog. Close it with `finish`: `dismiss` closes whatever lies on top."""

    # The app's own keys end at a modal screen; leaving has to work from everywhere.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "app.interrupt", show=False)]

    _late_answer: tuple[Answer] | None = None
    _is_finished: bool = False

    def finish(self, answer: Answer) -> None:
        """Closes with this answer, once nothing lies on top. Only the first call counts, at whatever moment."""
        if self._late_answer is None:
            self._late_answer = (answer,)
        if self.is_active and not self._is_finished:
            self._is_finished = True  # a second dismissal would close what lies below
            self.dismiss(self._late_answer[0])

    def action_finish(self) -> None:
        """Closes without an answer."""
        self.finish(None)  # type: ignore[arg-type]

    def on_screen_resume(self) -> None:
        if self._late_answer is not None:
            self.finish(self._late_answer[0])
