"""The dialog that runs a command on all nodes of a task and shows the output of each node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker

from flow_core.client.run_on_nodes import NodeResult
from flow_core.errors import FlowError
from flow_core.logs.ansi import to_plain_text
from flow_tui import format
from flow_tui.dialogs.dialog import Dialog
from flow_tui.dialogs.field import LineInput
from flow_tui.widgets.workers import start_worker

RunCommand = Callable[[str, Sequence[NodeResult], Callable[[NodeResult], None]], Awaitable[None]]
"""(command, a result for each node, a callback for each changed result) -> None; raises FlowError."""

_FRAME_S = 0.25
_MOST_LINES = 400


class RunOnNodes(Dialog[None]):
    """A dialog that runs command lines, one after another. Esc stops the command; without a command, it closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close", id="everywhere.close", tooltip="Stop the command; then close"),
        Binding("down", "scroll(1)", "Down", show=False, id="everywhere.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="everywhere.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="everywhere.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="everywhere.page_up"),
    ]

    def __init__(self, name: str, nodes: int, run: RunCommand) -> None:
        where = f"the {nodes} nodes" if nodes > 1 else "the node"
        super().__init__(
            f"Run a command on {where} of {name}",
            (("enter", "run"), ("↑ ↓ pgup pgdn", "scroll"), ("esc", "stop, then close")),
        )
        self._node_count = nodes
        self._run_command = run
        self._runs: dict[int, NodeResult] = {}
        self._changed_nodes: set[int] = set()
        self._frame: Timer | None = None
        self._worker: Worker[None] | None = None
        self._outputs = tuple(Static(classes="node-output", id=f"node-{node}") for node in range(nodes))
        self._status = Static(classes="node-summary", markup=False)
        self._line = LineInput("", placeholder="a command line, such as nvidia-smi", classes="node-command")

    def compose_body(self) -> Iterable[Widget]:
        return self._outputs

    def compose_footer(self) -> Iterable[Widget]:
        yield self._status
        yield self._line

    def on_mount(self) -> None:
        self._line.focus()

    @property
    def is_busy(self) -> bool:
        return self._worker is not None and not self._worker.is_finished

    @on(Input.Submitted)
    def _start_command(self, event: Input.Submitted) -> None:
        event.stop()
        command = event.value.strip()
        if not command or self.is_busy:
            return
        self._runs = {node: NodeResult(node) for node in range(self._node_count)}
        self.scrolled.scroll_home(animate=False)
        self._draw(list(self._runs))
        self._worker = start_worker(self, partial(self._carry_out, command), group="everywhere", exclusive=True)

    async def _carry_out(self, command: str) -> None:
        try:
            await self._run_command(command, list(self._runs.values()), self._changed)
        except FlowError as error:
            if not any(run.problem for run in self._runs.values()):  # otherwise each node shows its error
                self._show_refusal(str(error))
                return
        finally:
            self._draw(list(self._runs))

    def _show_refusal(self, reason: str) -> None:
        for node in self._runs:
            self._outputs[node].update("")
        self._runs = {}
        self._show_status(reason)

    def _changed(self, run: NodeResult) -> None:
        """Collects several pieces of output into one frame."""
        self._changed_nodes.add(run.node)
        if self._frame is None:
            self._frame = self.set_timer(_FRAME_S, self._draw_changes)

    def _draw_changes(self) -> None:
        self._frame = None
        news, self._changed_nodes = self._changed_nodes, set()
        self._draw(news)

    def _draw(self, nodes: Iterable[int]) -> None:
        if not self.is_attached:
            return
        for node in nodes:
            self._outputs[node].update(_render_result(self._runs[node]))
        if self._runs:
            self._show_status(_summarize_results(self._runs.values()))

    def _show_status(self, text: str) -> None:
        self._status.update(text)

    def action_leave(self) -> None:
        if self.is_busy and self._worker is not None:
            self._worker.cancel()
        else:
            self.finish(None)


def _render_result(run: NodeResult) -> Content:
    """Renders the output as a terminal would show each line, without control of the user's terminal."""
    lines = run.output.decode("utf-8", "replace").removesuffix("\n").split("\n")
    text = "\n".join(to_plain_text(line) for line in lines[-_MOST_LINES:])
    parts = [Content.styled(f"node {run.node}  ", "bold"), _render_end(run)]
    if run.cut_bytes or len(lines) > _MOST_LINES:
        parts.append(Content.styled(f"  the last {min(len(lines), _MOST_LINES)} lines", "$muted"))
    if text:
        parts.append(Content(f"\n{text}"))
    return Content.assemble(*parts)


def _render_end(run: NodeResult) -> Content:
    took = format.duration(run.took_s)
    if run.problem:
        return Content.styled(to_plain_text(run.problem), "$error")
    if run.exit_code is not None:
        return Content.styled(f"exit code {run.exit_code}  {took}", "$error" if run.exit_code else "$success")
    if run.is_over:
        return Content.styled(f"stopped  {took}" if run.has_begun else "stopped before it started", "$warning")
    return Content.styled("running" if run.has_begun else "waiting", "$muted")


def _summarize_results(runs: Iterable[NodeResult]) -> str:
    ends = {"done": 0, "exit code not 0": 0, "could not run": 0, "stopped": 0, "running": 0, "waiting": 0}
    for run in runs:
        ends[_describe_result(run)] += 1
    return "  ".join(f"{count} {word}" for word, count in ends.items() if count)


def _describe_result(run: NodeResult) -> str:
    if run.problem:
        return "could not run"
    if run.exit_code is not None:
        return "exit code not 0" if run.exit_code else "done"
    if run.is_over:
        return "stopped"
    return "running" if run.has_begun else "waiting"
