"""The audit log, as a page to read."""

from __future__ import annotations

from typing import Any

import pytest

from flow_core.audit import AuditEntry
from flow_tui.screens.audit_log import AuditLogScreen


@pytest.mark.usefixtures("in_tokyo")
async def test_the_action_log_says_who_did_what_and_how_it_ended(ask: Any) -> None:
    async with ask(AuditLogScreen([action(2), action(1, result="no such task")])) as question:
        assert "2026-03-01 21:02:00  ann  local  cancel  task_2  ok" in question.text
        assert question.text.index("task_2") < question.text.index("task_1  no such task")
        assert question.text.count("kill -TERM 123") == 2


async def test_the_action_log_scrolls_and_a_long_call_is_all_there(ask: Any) -> None:
    actions = [action(n) for n in range(59, 0, -1)] + [action(0, call="scancel " + "1234 " * 40 + "end")]
    async with ask(AuditLogScreen(actions), size=(60, 15)) as question:
        assert "task_59" in question.text
        await question.press("reader.down", "reader.up", "pagedown", "pageup")
        assert "task_59" in question.text
        await question.press("reader.bottom")
        await question.shows("1234 end")
        assert "esc close" in question.text


@pytest.mark.parametrize("key", ["escape", "q", "@"])
async def test_the_action_log_closes(ask: Any, key: str) -> None:
    async with ask(AuditLogScreen([])) as question:
        assert "No changes recorded yet." in question.text
        await question.press(key)
        assert question.answers == [None]


async def test_a_mangled_action_does_no_harm(ask: Any) -> None:
    nasty = "[red]x[/\x1b[2J"
    async with ask(
        AuditLogScreen([AuditEntry(nasty, nasty, nasty, nasty, nasty, nasty, nasty)]), (120, 36)
    ) as question:
        assert question.text.count("[red]x[/␛[2J") == 7
        assert "\x1b" not in question.text


def action(number: int, result: str = "ok", call: str = "kill -TERM 123") -> AuditEntry:
    return AuditEntry(f"2026-03-01T12:{number:02}:00+00:00", "ann", "local", "cancel", f"task_{number}", call, result)
