"""The events of a task's bid and machines. They are read only while they are in view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from textual import work
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget
from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.models.market import TaskEvent

Ask = Callable[[], Awaitable[Sequence[TaskEvent]]]
_EVERY_S = 15.0


class HistoryView(Widget):
    """The events, newest first. The owner calls `start` when it shows the view, and `stop` when hiding it."""

    DEFAULT_CSS = """
    HistoryView { width: 1fr; height: auto; }
    """

    events: reactive[tuple[TaskEvent, ...] | None] = reactive(None, layout=True)
    """None before the first answer."""
    problem: reactive[str] = reactive("", layout=True)
    """Why the events are outdated; "" while answers arrive."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self._worker: Worker[None] | None = None

    def start(self) -> None:
        """Starts to poll. Calling it again is safe."""
        if self._worker is None or self._worker.is_finished:
            self._worker = self._poll()

    def stop(self) -> None:
        """Stops polling. The events stay."""
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def look_again(self) -> None:
        """Polls now, if the view is shown."""
        if self._worker is not None:
            self._worker = self._poll()

    def render(self) -> Content:
        return Content("\n").join(self._lines())

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return sum(max(1, -(-line.cell_length // max(1, width))) for line in self._lines())

    def _lines(self) -> list[Content]:
        problems = [Content.styled(escape_controls(self.problem), "$text-warning")] if self.problem else []
        if self.events is None:
            return problems or [Content.styled("loading…", "$muted")]
        return [*problems, *map(_render_event, reversed(self.events))] or [Content("No events yet.")]

    @work(group="history", exclusive=True)
    async def _poll(self) -> None:
        while True:
            try:
                self.events = tuple(await self._ask())
                self.problem = ""
            except FlowError as error:
                self.problem = str(error)
            await asyncio.sleep(_EVERY_S)


def _render_event(event: TaskEvent) -> Content:
    at = event.at.astimezone().strftime("%m-%d %H:%M:%S")
    rest = "  ".join(escape_controls(part) for part in (event.detail, event.node) if part)
    return Content.assemble((at, "$muted"), f"  {escape_controls(event.what)}", f"  {rest}" if rest else "")
