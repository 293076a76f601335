"""Shows the audit log: the user, the time, the call and the result of each change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from flow_core.audit import AuditEntry
from flow_tui.dialogs.dialog import Reader, to_safe_content
from flow_tui.services import Services


def open_audit_log(services: Services) -> None:
    """Opens the audit log with the changes up to now."""
    services.open(AuditLogScreen(services.fleet.gate.log.read_recent()))


class AuditLogScreen(Reader[None]):
    """The audit log, newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("@", "close", "Close", id="app.action_log", tooltip="Back to where you were"),
    ]

    def __init__(self, entries: Sequence[AuditEntry]) -> None:
        """Creates the screen. `entries` come newest first, as `AuditLog.read_recent` returns them."""
        super().__init__("Audit log", (("j k", "scroll"), ("esc", "close")))
        self._entries = entries

    def compose_body(self) -> Iterable[Widget]:
        if not self._entries:
            yield Static("No changes recorded yet.", markup=False)
        for entry in self._entries:
            yield Static(_render_entry(entry), classes="action")


def _render_entry(action: AuditEntry) -> Content:
    done = action.result == "ok"
    head = Content("  ").join(
        [
            Content.styled(_format_time(action.time), "$muted"),
            to_safe_content(action.user),
            to_safe_content(action.context),
            to_safe_content(action.verb, "bold"),
            to_safe_content(action.target, "bold"),
            to_safe_content(action.result, "$success" if done else "$error"),
        ]
    )
    return Content.assemble(head, "\n  ", to_safe_content(action.call.replace("\n", "\n  "), "$muted"))


def _format_time(time: str) -> str:
    """Formats the time of the action in the local time zone; unchanged if it is invalid."""
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return str(to_safe_content(time))
