"""A new pane needs its folder and one line of the registry, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import flow_tui

ENTRY = """
from flow_tui.actions import Action
from flow_tui.panes.pane import PaneEntry, Placement


def load():
    from flow_tui.panes.notes.pane import NotesPane

    return NotesPane


def full(pane):
    return "there are enough notes" if len(pane.notes) == 2 else None


ACTIONS = (
    Action("notes.add", "x", "add", "Add a note", lambda pane: pane.add(), full, in_footer=True, changes=True),
)
ENTRY = PaneEntry("notes", "Notes", Placement.SIDE, ACTIONS, load, frozenset({"volumes"}))
"""
PANE = """
from textual.widgets import Static

from flow_tui.actions import bindings_of
from flow_tui.panes.notes import ACTIONS
from flow_tui.panes.pane import Pane


class NotesPane(Pane, can_focus=True):
    NOUN = "notes"
    BINDINGS = [*bindings_of(ACTIONS)]

    def __init__(self, services, *, id=None):
        super().__init__(services, id=id)
        self.notes = []
        self.text = Static()

    def compose(self):
        yield self.text

    def add(self):
        self.notes.append("a note")
        self.text.update("\\n".join(self.notes))
        self.services.notify("added")
        self.services.workspace.show_status()

    @property
    def focus_target(self):
        return self
"""
PROGRAM = """
import asyncio
from testbed.screen_text import screen_text
from testbed.waiting import until
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.notes.pane import NotesPane


async def main():
    app = FlowApp(load_config())
    async with app.run_test(size=(120, 36)) as pilot:
        pane = app.screen.pane(NotesPane)
        await app.screen.panes.all_loaded()
        await pilot.press("6")
        await until(lambda: pane.has_focus and "volumes" in app.fleet.watched)
        assert "6 Notes" in screen_text(app)
        await pilot.press("x")
        await until(lambda: "x add" in screen_text(app) and "a note" in screen_text(app))
        await pilot.press("x", "x")
        await until(lambda: "there are enough notes" in {notice.message for notice in app._notifications})
        await pilot.press("question_mark", *"notes.add")
        await until(lambda: "Not now: there are enough notes" in screen_text(app))


asyncio.run(main())
"""


def test_a_new_pane_is_a_folder_and_a_line(tmp_path: Path) -> None:
    package = tmp_path / "flow_tui"
    shutil.copytree(Path(flow_tui.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    root = Path(flow_tui.__file__).parent.parent
    shutil.copytree(root / "themes", tmp_path / "themes")
    (package / "panes/notes").mkdir()
    (package / "panes/notes/__init__.py").write_text(ENTRY, encoding="utf-8")
    (package / "panes/notes/pane.py").write_text(PANE, encoding="utf-8")
    registry = package / "panes/registry.py"
    last = '    "flow_tui.panes.shell",\n'
    text = registry.read_text(encoding="utf-8")
    assert last in text
    registry.write_text(text.replace(last, f'{last}    "flow_tui.panes.notes",\n'), encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), str(root), str(root / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "FLOW_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
