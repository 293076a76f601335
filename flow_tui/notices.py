"""Notices: shows equal texts only once, and keeps warnings and errors for later reading."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.notifications import Notification, Notify
from textual.widgets._toast import Toast, ToastHolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

    _App = App[Any]
else:
    _App = object

_KEPT = 50


class PastNotice(NamedTuple):
    """A warning or an error, and when it was last shown."""

    at: datetime
    severity: str
    text: str


class PastNotices:
    """The last warnings and errors, each text once, oldest first."""

    def __init__(self) -> None:
        self._by_text: dict[str, PastNotice] = {}

    def __iter__(self) -> Iterator[PastNotice]:
        return iter(tuple(self._by_text.values()))

    def add(self, notice: PastNotice) -> None:
        """Adds a notice; an equal text moves to the end."""
        self._by_text.pop(notice.text, None)
        self._by_text[notice.text] = notice
        while len(self._by_text) > _KEPT:
            del self._by_text[next(iter(self._by_text))]


class Notices(_App):
    """An app mixin for notices. Put it before App in the bases."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.past_notices = PastNotices()

    def on_notify(self, event: Notify) -> None:
        """Removes an equal notice and keeps a warning or error. Textual's own handler then shows the new notice."""
        notice = event.notification
        self._remove_equal(notice)
        if notice.severity != "information":
            self.past_notices.add(PastNotice(datetime.now(), notice.severity, notice.message))

    def _remove_equal(self, notice: Notification) -> None:
        for shown in list(self._notifications):
            if (shown.message, shown.title) == (notice.message, notice.title):
                self._unnotify(shown, refresh=False)
                self._remove_toast(shown)

    def _remove_toast(self, notice: Notification) -> None:
        """Removes the toast from this screen. On screens below, Textual removes it once they are on top again."""
        for toast in self.screen.query(Toast) if self.screen_stack else ():
            if toast._notification is notice and isinstance(toast.parent, ToastHolder):
                toast.parent.remove()
