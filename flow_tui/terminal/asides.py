"""What a terminal's far side says besides what it paints."""

from __future__ import annotations

from flow_tui.terminal.replies import Replies


class Asides:
    """A title, a bell, answers that are owed. Part of every core, which notes them as they come."""

    def __init__(self) -> None:
        self._replies = Replies()
        self._title = ""
        self._bell = False

    @property
    def title(self) -> str:
        return self._title

    def take_replies(self) -> bytes:
        return self._replies.take()

    def take_bell(self) -> bool:
        rang, self._bell = self._bell, False
        return rang
