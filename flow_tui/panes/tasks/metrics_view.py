"""A view of how busy a task's machine is. It is measured only while the view is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from textual import work
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget
from textual.worker import Worker

from flow_core.errors import Conflict, FlowError, Unreachable
from flow_core.models.metrics import MachineSample
from flow_core.models.task import TaskRecord
from flow_tui.panes.tasks.metrics_text import MetricsHistory, render_lines, wrap_text

OpenSamples = Callable[[int], AsyncGenerator[MachineSample, None]]
"""Takes the number of a node and yields samples of its machine."""
_AGAIN_S = 5.0


class MetricsView(Widget):
    """The metrics of one node of a task. The owner calls `start` when it shows the view, and `stop` when hiding it."""

    DEFAULT_CSS = """
    MetricsView { width: 1fr; height: auto; }
    """

    node: reactive[int] = reactive(0, layout=True)
    problem: reactive[str] = reactive("", layout=True)
    """Why the samples are outdated; "" while samples arrive."""

    def __init__(self, open_samples: OpenSamples, task: TaskRecord) -> None:
        super().__init__()
        self.nodes = task.num_instances
        self.history = MetricsHistory()
        self._open_samples = open_samples
        self._task_id = task.task_id
        self._ended = asyncio.Event()
        self._worker: Worker[None] | None = None
        if task.is_terminal:
            self.end()

    @property
    def is_sampling(self) -> bool:
        return self._worker is not None and not self._worker.is_finished

    def start(self) -> None:
        """Starts to measure. Calling it again is safe."""
        if not self.is_sampling:
            self._worker = self._sample(self.node)

    def stop(self) -> None:
        """Stops measuring. The last samples stay."""
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def end(self) -> None:
        """Notes that the task has ended: a lost connection is not opened again."""
        self._ended.set()

    def show_node(self, node: int) -> None:
        """Shows another node, and drops the samples of the last one."""
        if node != self.node:
            self.node, self.history, self.problem = node, MetricsHistory(), ""
            self._worker = self._sample(node)

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        width = max(40, width)
        lines = [] if self.problem and self.history.latest is None else render_lines(self.history, self._task_id, width)
        return [*wrap_text(self.problem, width), *lines]

    @work(group="sample", exclusive=True)
    async def _sample(self, node: int) -> None:
        """Reads samples, also after a lost connection, with a new attempt, and once a waiting task starts to run."""
        while True:
            try:
                async with aclosing(self._open_samples(node)) as samples:
                    async for sample in samples:
                        self.history.add(sample)
                        self.problem = ""
                        self.refresh(layout=True)
                self.problem = "no process of the task runs on this machine now"
            except (Conflict, Unreachable) as error:
                self.problem = str(error)
            except FlowError as error:
                self.problem = str(error)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._ended.wait()
                    has_samples = self.history.latest is not None
                    self.problem = (
                        "the task has ended; these are its last metrics" if has_samples else "the task has ended"
                    )
                    return
