"""What a context tells of a task before it is submitted: the exact request, a script's requests, and the start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual.widgets import Static

from flow_core.errors import ConfigError, FlowError
from flow_core.models.scheduling import ScriptSummary, StartEstimate
from flow_tui.dialogs.dialog import to_safe_content
from flow_tui.dialogs.submit.request_preview import RequestPreview

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_tui.services import Services

MakeConfig = Callable[[Mapping[str, str]], Awaitable["TaskConfig"]]
"""The values of the form -> the config. Raises ConfigError."""

_ESTIMATE_S = 15.0
_NOW_S = 60.0
_NODES_SHOWN = 4


class RequestReview:
    """The review of a request by its context. It changes nothing, and never shows a prompt of a host."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe_request(self, context: str, config: TaskConfig) -> str:
        """Returns exactly what would be sent. Raises FlowError."""
        return self._services.fleet.flow(context).provider.describe_submit(config)

    async def summarize_script(self, context: str, command: str) -> ScriptSummary | None:
        """Returns what a batch script requests; None for another command, or if the script can't be read."""
        try:
            provider = self._services.fleet.flow(context).provider
            return await asyncio.to_thread(provider.summarize_script, command)  # it may read a file
        except FlowError:
            return None  # submitting it shows the reason

    def can_estimate_start(self, context: str) -> bool:
        return self._services.fleet.has_scheduler(context)

    async def estimate_start(self, context: str, config: TaskConfig) -> str:
        """Returns when the task would start, as words; "" if the scheduler can't tell.

        Raises FlowError if the request would be refused, or after 15 s.
        """
        fleet = self._services.fleet
        try:
            async with fleet.deadline(context, _ESTIMATE_S):
                estimate = await fleet.flow(context).estimate_start(config)
        except TimeoutError:
            raise FlowError(f"{context} did not estimate the start within {_ESTIMATE_S:.0f} s") from None
        return "" if estimate is None else describe_estimate(estimate)


class ReviewTexts:
    """Two texts of the submit form: what a script requests, and when the task would start. Both are hidden at first.

    `script_contexts` are the contexts that accept batch scripts.
    """

    def __init__(self, review: RequestReview, make_config: MakeConfig, script_contexts: Collection[str]) -> None:
        self.script = Static(classes="form-script")
        self.start = Static(classes="form-start")
        self._review = review
        self._make_config = make_config
        self._script_contexts = script_contexts

    async def show(self, entered: Mapping[str, str]) -> None:
        """Reviews the values of the form and shows both texts. A caller that cancels it may show newer values."""
        summary = await self._summarize_script(entered)
        _show_text(self.script, "" if summary is None else describe_script(summary), bool(summary and summary.problems))
        try:
            text = await self._estimate_start(entered)
        except FlowError as error:
            _show_text(self.start, error.reason, is_wrong=True)
        else:
            _show_text(self.start, text)

    async def make_preview(self, entered: Mapping[str, str]) -> RequestPreview:
        """Returns a page with the exact request. Raises FlowError for values that can't be submitted."""
        if not (context := entered["context"]):
            raise ConfigError("no context is configured", field="context")
        request = self._review.describe_request(context, await self._make_config(entered))
        return RequestPreview(context, request, await self._summarize_script(entered))

    async def _estimate_start(self, entered: Mapping[str, str]) -> str:
        """Returns the estimate; "" for values that are not complete yet. Raises FlowError."""
        if not self._review.can_estimate_start(entered["context"]):
            return ""
        try:
            config = await self._make_config(entered)
        except ConfigError:
            return ""
        _show_text(self.start, "estimating the start…")
        return await self._review.estimate_start(entered["context"], config)

    async def _summarize_script(self, entered: Mapping[str, str]) -> ScriptSummary | None:
        if entered["context"] not in self._script_contexts:
            return None
        return await self._review.summarize_script(entered["context"], entered["command"])


def describe_estimate(estimate: StartEstimate, now: datetime | None = None) -> str:
    """Describes an estimate in the time zone of the user: "would start about 14:20 in gpu on node-1"."""
    moment = now or datetime.now(UTC)
    if (estimate.starts_at - moment).total_seconds() < _NOW_S:
        text = "would start now"
    else:
        start = estimate.starts_at.astimezone()
        is_today = start.date() == moment.astimezone().date()
        text = f"would start about {start.strftime('%H:%M' if is_today else '%Y-%m-%d %H:%M')}"
    more = len(estimate.nodes) - _NODES_SHOWN
    nodes = ", ".join(estimate.nodes[:_NODES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return text + (f" in {estimate.region}" if estimate.region else "") + (f" on {nodes}" if nodes else "")


def describe_script(summary: ScriptSummary) -> str:
    """Describes the requests of a script in few lines, and each problem in a line of its own."""
    requests = "   ".join(f"{label}: {value}" for label, value in summary.lines)
    first = f"this script requests   {requests}" if requests else "this script requests nothing"
    return "\n".join([first, *summary.problems])


def _show_text(place: Static, text: str, is_wrong: bool = False) -> None:
    place.update(to_safe_content(text))
    place.display = bool(text)
    place.set_class(is_wrong, "-wrong")
