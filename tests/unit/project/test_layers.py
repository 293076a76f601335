"""The map of the house: who may import whom. A line here is a decision; change it on purpose or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from testbed.deferred_imports import ENTRIES, REASONS
from testbed.places import ROOT
from testbed.source_files import FILES, module_name, read_source

import flow_core
from flow_core.providers import PROVIDERS

MOST_LINES = 400

# Standard library only, and open to every room.
FOUNDATIONS = (
    "identifiers user_folders prompter agent.linux_mounts agent.private_folders agent.record_fields"
    " agent.regular_files agent.spool"
)

# Room -> what it may import of ours, its own room aside. The longest name that fits a module is its room.
CORE = {
    "flow_core.errors": "",
    "flow_core.agent": "",
    "flow_core.identifiers": "",
    "flow_core.argument_checks": "errors",
    "flow_core.lazy_module": "errors",
    "flow_core.user_folders": "",
    "flow_core.unsupported_names": "",
    "flow_core.gpu_shorthand": "errors",
    "flow_core.gpu_matching": "errors gpu_shorthand",
    "flow_core.models": "errors gpu_shorthand",
    "flow_core.config": "errors",
    "flow_core.config_file": "errors models config providers",
    "flow_core.filters": "errors models",
    "flow_core.logs": "errors models gpu_shorthand config",
    "flow_core.prompter": "",
    "flow_core.pausable_timeout": "prompter",
    "flow_core.ssh": "errors models gpu_shorthand config logs pausable_timeout upload",
    "flow_core.upload": "errors models",
    "flow_core.metrics": "errors models",
    "flow_core.providers": "agent errors models gpu_shorthand gpu_matching config logs ssh upload metrics",
    "flow_core.audit": "errors models gpu_shorthand config logs ssh providers",
    "flow_core.client": (
        "errors argument_checks lazy_module models gpu_shorthand config config_file logs ssh upload providers audit"
    ),
    "flow_core.sync.program_end": "",
    "flow_core.sync.loop_thread": "errors lazy_module sync.program_end",
    "flow_core.sync": (
        "errors argument_checks lazy_module models gpu_shorthand config logs ssh upload providers audit client"
    ),
    "flow_core.fleet_state": "errors models config providers",
    "flow_core.fleet": (
        "errors models gpu_shorthand config fleet_state logs pausable_timeout ssh providers audit client"
    ),
    "flow_core.sdk": "errors models gpu_shorthand config client sync unsupported_names",
    "flow_core.api": "sync sdk unsupported_names",
    "flow_core.emulator": "errors ssh.server ssh.terminal_modes upload.cancellable_thread",
}
CONTRACT = ("contract", "over_agent", "over_ssh", "this_machine")
CORE_FOR_TUI = (
    "errors lazy_module models filters gpu_shorthand config config_file logs audit client fleet_state fleet prompter"
    " providers.contract.provider providers.contract.access providers.contract.market providers.contract.scheduling"
)
TUI = {
    "flow_tui.format": "",
    "flow_tui.filter": "format",
    "flow_tui.key_names": "",
    "flow_tui.actions": "",
    "flow_tui.bid_prices": "format",
    "flow_tui.keymap": "actions key_names",
    "flow_tui.notices": "",
    "flow_tui.prompts": "",
    "flow_tui.task_selection": "",
    "flow_tui.terminal": "",
    "flow_tui.widgets": "format shell_key_hold key_queue terminal",
    "flow_tui.failure_causes": "",
    "flow_tui.services": "failure_causes keymap prompts task_selection widgets",
    "flow_tui.dialogs": "bid_prices format keymap services widgets",
    "flow_tui.panes": "actions bid_prices dialogs failure_causes filter format key_names key_queue keymap redact"
    " services shell_key_hold terminal widgets",
    "flow_tui.screens": "actions dialogs format key_names key_queue keymap notices panes prompts services"
    " terminal widgets",
    "flow_tui.action_table": "actions panes screens",
    "flow_tui.own_settings": "action_table key_names keymap terminal themes",
    "flow_tui.colour_depth": "",
    "flow_tui.colour_reduction": "colour_depth",
    "flow_tui.themes": "colour_reduction",
    "flow_tui.command_palette": "actions panes screens services",
    "flow_tui.arguments": "",
    "flow_tui.redact": "",
    "flow_tui.crash_report": "redact",
    "flow_tui.last_screen": "tty_guard",
    "flow_tui.tty_output": "",
    "flow_tui.tty_guard": "",
    "flow_tui.output_window": "",
    "flow_tui.driver": "last_screen output_window tty_guard tty_output widgets",
    "flow_tui.pen": "",
    "flow_tui.shown_cells": "pen",
    "flow_tui.frame_pacing": "driver last_screen shown_cells",
    "flow_tui.crash": "frame_pacing redact crash_report",
    "flow_tui.shell_key_hold": "",
    "flow_tui.key_queue": "shell_key_hold",
    "flow_tui.demo": "",
    "flow_tui.widget_release": "",
    "flow_tui.app": "action_table colour_depth colour_reduction format key_queue keymap notices own_settings prompts"
    " themes widget_release"
    " command_palette last_screen crash crash_report redact terminal widgets panes screens",
    "flow_tui.program": "arguments app colour_depth demo crash crash_report keymap last_screen themes",
    "flow_tui.__main__": "last_screen program",
}
TERMINAL_LIBRARIES = {"textual", "rich"}
WITHOUT_TEXTUAL = (
    "flow_tui.terminal",
    "flow_tui.prompts",
    "flow_tui.format",
    "flow_tui.filter",
    "flow_tui.arguments",
    "flow_tui.colour_depth",
    "flow_tui.last_screen",
    "flow_tui.program",
)


def room_of(module: str, rooms: dict[str, str]) -> str | None:
    fitting = [room for room in rooms if module == room or module.startswith(room + ".")]
    return max(fitting, key=len, default=None)


def within(name: str, allowed: str, package: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.{room}.") for room in allowed.split())


def complaints(file: Path, root: Path = ROOT) -> Iterator[str]:
    module, imported = module_name(file, root), read_source(file, root).imports
    package = module.partition(".")[0]
    rooms = CORE if package == "flow_core" else TUI
    room = room_of(module, rooms)
    if room is None:
        if module != package:
            yield f"{module} is in no room of the map"
        return
    where = f"{module}:%d may not import %s"
    shared = (
        FOUNDATIONS
        if package == "flow_core" and room not in ("flow_core.agent", "flow_core.identifiers", "flow_core.prompter")
        else ""
    )
    for line, name in imported:
        top = name.partition(".")[0]
        if top == package:
            own = name == room or name.startswith(room + ".")
            bare = name in (package, f"{package}.__version__")
            if not (own or bare or within(name, f"{rooms[room]} {shared}", package)):
                yield where % (line, name)
        elif top == "flow_tui" or (top in TERMINAL_LIBRARIES and package == "flow_core"):
            yield where % (line, name)
        if top == "flow_core" != package and not core_for_tui(name):
            yield where % (line, name)
        if top == "textual" and room in WITHOUT_TEXTUAL:
            yield where % (line, name)
    if module.startswith("flow_core.providers."):
        own_provider = module.split(".")[2]
        for line, name in imported:
            parts = name.split(".")
            if parts[:2] == ["flow_core", "providers"] and len(parts) > 2 and parts[2] not in (*CONTRACT, own_provider):
                yield where % (line, name)


def core_for_tui(name: str) -> bool:
    """Whether the dashboard may see this of the core: never a provider itself, never the blocking client."""
    public = name.removeprefix("flow_core.")
    home = f"flow_core.{flow_core._MODULES[public]}" if public in flow_core._MODULES else name
    return name == "flow_core.__version__" or within(home, f"{CORE_FOR_TUI} {FOUNDATIONS}", "flow_core")


def test_modules_import_only_what_the_map_allows() -> None:
    assert [complaint for file in FILES for complaint in complaints(file)] == []


def test_no_file_has_over_400_lines() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    lengths = {str(file): read_source(file).line_count for file in (*FILES, *tests)}
    assert {file: length for file, length in lengths.items() if length > MOST_LINES} == {}


def test_imports_inside_functions_have_a_reason() -> None:
    found = {file.relative_to(ROOT) for file in FILES if read_source(file).has_deferred_imports}
    entries = {file for file in found if any(file.match(entry) for entry in ENTRIES)}
    assert {str(file) for file in found - entries} == REASONS.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for types and those inside functions count too."""
    modules = {module_name(file): file for file in FILES}
    graph = {
        module: {
            found for _, name in read_source(file).imports if (found := _module_of(name, modules)) not in (None, module)
        }
        for module, file in modules.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of a circle


def test_no_class_name_is_used_twice() -> None:
    classes = Counter(name for file in FILES for name in read_source(file).classes)
    assert [name for name, times in classes.items() if times > 1] == []


def test_clients_know_no_single_provider() -> None:
    own = tuple(f"flow_core.providers.{name}" for name in PROVIDERS)
    clients = [file for file in FILES if module_name(file).startswith(("flow_core.client.", "flow_core.sync."))]
    assert [(file, name) for file in clients for _, name in read_source(file).imports if name.startswith(own)] == []


def _module_of(name: str, modules: dict[str, Path]) -> str | None:
    """The module that an imported dotted name is, or is in; None for one that is not ours."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules else None


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    wrong = {
        "flow_core/models/one.py": "from flow_core.client import AsyncFlow",
        "flow_core/logs/two.py": "import rich.text",
        "flow_core/providers/local/three.py": "from flow_core.providers.slurm import queue",
        "flow_tui/terminal/four.py": "import textual",
        "flow_tui/widgets/five.py": "from flow_core.providers.local.shell import LocalShell",
        "flow_tui/app.py": "from flow_core.sync import Flow",
        "flow_tui/panes/six.py": "from flow_core import Flow",
        "flow_tui/panes/seven.py": "from ..screens import dashboard",
        "flow_tui/dialogs/eight.py": "from flow_tui.panes.tasks.pane import TasksPane",
        "flow_core/attic.py": "",
    }
    for path, text in wrong.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        assert list(complaints(file, tmp_path)), path
