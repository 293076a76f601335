"""Whether a shell may put text on the user's clipboard: asked once, never assumed."""

from __future__ import annotations


class ClipboardConsent:
    """One shell's. `waiting` is what it last wanted to copy while nobody has answered yet."""

    def __init__(self) -> None:
        self._is_allowed: bool | None = None
        self.waiting: str | None = None

    def ask(self, text: str) -> str | None:
        """The text if it may be copied at once."""
        if self._is_allowed:
            return text
        if self._is_allowed is None:
            self.waiting = text
        return None

    def allow(self) -> str | None:
        """From now on; answers what was waiting. Without a question nothing is allowed."""
        if self.waiting is None:
            return None
        text, self.waiting, self._is_allowed = self.waiting, None, True
        return text

    def refuse(self) -> None:
        """This time and from now on, where there was a question."""
        if self.waiting is not None:
            self.waiting, self._is_allowed = None, False
