"""What the dashboard does for its shells, over a real local context."""

from __future__ import annotations

from pathlib import Path

from testbed.screen_text import screen_rows
from testbed.tui.press import press
from testbed.tui.shell_of_task import in_a_shell
from testbed.waiting import until

from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.dialogs.help import HelpScreen
from flow_tui.panes.shell.dialogs import ConfirmPaste
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.screens.dashboard import DashboardScreen
from flow_tui.terminal.prefix import Command, KeyTarget
from flow_tui.widgets.bar import Bar
from flow_tui.widgets.terminal import TerminalView


def footer(dashboard: DashboardScreen) -> str:
    return " ".join(piece.text for piece in dashboard.query_one("#footer", Bar).left)


def listed(app: FlowApp) -> list[str]:
    assert isinstance(app.screen, HelpScreen)
    return [entry.keys for entry in app.screen._shown]


async def test_what_can_come_after_the_prefix_is_listed_and_done_when_it_is_chosen() -> None:
    async with in_a_shell() as (app, dashboard, pilot):
        view = dashboard.pane(ShellPane).front
        assert view is not None
        await press(pilot, Command.HELP)
        await until(lambda: isinstance(app.screen, HelpScreen) and app.screen._shown)
        assert {"ctrl+] [", "ctrl+] k", "ctrl+] ctrl+]", "ctrl+] esc", "ctrl+] 1"} <= set(listed(app))
        await pilot.press(*"scroll", "space", *"back")
        await until(lambda: listed(app) == ["ctrl+] ["])
        await pilot.press("enter")
        await until(lambda: view.has_focus and view.key_input.target is KeyTarget.COPY_MODE)
        await until(lambda: "every other key goes to copy mode" in footer(dashboard))
        await press(pilot, "q", Command.HELP)
        await until(lambda: isinstance(app.screen, HelpScreen) and app.screen._shown)
        await pilot.press(*"logs", "space", *"pane", "enter")
        await until(lambda: dashboard.panes.front == "logs")
        assert view.is_live


async def test_a_prefix_key_that_is_listed_reaches_the_shell_when_that_is_chosen() -> None:
    async with in_a_shell() as (app, dashboard, pilot):
        view = dashboard.pane(ShellPane).front
        assert view is not None
        await pilot.press(*"cat", "space", *"-v", "enter")
        await press(pilot, Command.HELP)
        await until(lambda: isinstance(app.screen, HelpScreen) and app.screen._shown)
        await pilot.press(*"send", "enter")
        await until(lambda: view.has_focus)
        await pilot.press("enter")
        await until(lambda: any("^]" in view.render_line(y).text for y in range(view.size.height)))


async def test_the_enter_after_a_paste_keeps_the_question_and_the_text() -> None:
    async with in_a_shell() as (app, dashboard, pilot):
        view = dashboard.pane(ShellPane).front
        assert view is not None
        await until(lambda: view.core is not None)
        dashboard.pane(ShellPane).post_message(TerminalView.PasteNeedsConsent(view, "echo first\necho second"))
        await until(lambda: isinstance(app.screen, ConfirmPaste))
        await pilot.press("enter")
        await pilot.press("enter")
        assert isinstance(app.screen, ConfirmPaste)
        await press(pilot, "confirm.agree")
        await until(lambda: "echo second" in "\n".join(view.render_line(y).text for y in range(view.size.height)))


async def test_the_footer_names_the_users_own_key_that_leaves_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("dashboard: {shell_release: ctrl+g, keys: {tasks.shell: f2}}", encoding="utf-8")
    async with in_a_shell(load_config(file)) as (app, _, pilot):
        await until(lambda: "every other key goes to the shell" in screen_rows(app)[-1])
        assert screen_rows(app)[-1].split()[:2] == ["ctrl+g", "leaves"]
        await pilot.press("ctrl+g", "escape")
        await until(lambda: "^d end" in screen_rows(app)[-1])
