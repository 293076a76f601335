"""Searches the logs of all tasks that the tasks pane shows, and opens a line that was found."""

from __future__ import annotations

from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.logs.search_results import LastSearch
from flow_tui.panes.logs.search_screen import SearchLogsScreen
from flow_tui.panes.tasks.pane import TasksPane
from flow_tui.services import Services


async def search_logs(services: Services) -> None:
    """Shows the search, with the results of the last one, and opens the line that the user chooses in the logs pane."""
    workspace = services.workspace
    await workspace.wait_until_all_loaded()
    logs, table = workspace.pane(LogsPane), workspace.pane(TasksPane).table
    screen = SearchLogsScreen(services, lambda: table.rows, logs.row, logs.found)
    place = await services.ask(screen)
    if screen.found is not None:
        logs.found = LastSearch(screen.found, screen.view.current)
    if place is not None:
        workspace.bring_to_front(logs.NOUN)
        logs.go_to_line(*place)
