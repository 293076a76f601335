"""The preview of a request: exactly what submitting a task would send, to read and to copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from flow_core.models.scheduling import ScriptSummary
from flow_tui.dialogs.dialog import Fact, Reader, measure_labels, to_safe_content


class RequestPreview(Reader[None]):
    """A page with the request, below what its script requests. Copying copies the request without changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="preview.copy", tooltip="Copy the request"),
        Binding("ctrl+l,f3", "close", "Close", id="submit.preview", tooltip="Back to the form", show=False),
    ]

    def __init__(self, context: str, request: str, summary: ScriptSummary | None = None) -> None:
        super().__init__(f"This would be sent to {context}", (("j k", "scroll"), ("y", "copy"), ("esc", "close")))
        self._request = request
        self._summary = summary

    def compose_body(self) -> Iterable[Widget]:
        if self._summary is not None:
            width = measure_labels(label for label, _ in self._summary.lines)
            for label, value in self._summary.lines:
                yield Fact(label, value, width=width)
            for problem in self._summary.problems:
                yield Static(to_safe_content(problem), classes="preview-problem")
        is_first = self._summary is None
        yield Static(to_safe_content(self._request), classes="preview-request" + ("" if is_first else " -below"))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._request)
        self.notify("copied", markup=False)
