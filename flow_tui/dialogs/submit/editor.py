"""Edits a text in the user's own editor, which has the terminal meanwhile."""

from __future__ import annotations

import asyncio
import glob
import os
import platform
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from textual.app import App

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.regular_files import read_regular_file
from flow_core.config import state_dir
from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.terminal_programs import check_terminal, run_on_terminal

_FALLBACKS = ("nano", "vi")
_ENCODING = ("utf-8", "surrogateescape")  # keeps invalid UTF-8, which the parser of the text refuses
_NO_TERMINAL = "flow-tui can't open an editor in this terminal; fill in the form instead"


class Edited(NamedTuple):
    """The text after editing, the editor's exit code (negative for a signal), and its name."""

    text: str
    exit_code: int
    editor: str


async def edit(app: App[Any], text: str, *, name: str, beside: Mapping[str, str]) -> Edited:
    """Runs the editor without a deadline. The app keeps running in the background.

    The text is in a file called `name`, with the files `beside` it, in a private folder that is removed afterwards.
    Raises FlowError if there is no editor, or if the terminal can't be handed over.
    """
    command = find_editor(os.environ)
    check_terminal(app, _NO_TERMINAL)
    try:
        folder = await asyncio.to_thread(_write_files, {name: text, **beside})
        try:
            code = await run_on_terminal(app, [*command, str(folder / name)])
            return Edited(await asyncio.to_thread(_read, folder / name, text), code, Path(command[0]).name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # also removes the editor's own files
    except OSError as error:
        raise FlowError(f"the editor could not be used: {error.strerror or error}") from error


def find_editor(environment: Mapping[str, str]) -> list[str]:
    """Returns $VISUAL or else $EDITOR with its arguments, or else the first installed editor. Raises FlowError."""
    path = environment.get("PATH")
    for variable in ("VISUAL", "EDITOR"):
        if setting := environment.get(variable, "").strip():
            return _parse_command(variable, setting, path)
    found = next((editor for editor in _FALLBACKS if shutil.which(editor, path=path)), None)
    if found is None:
        raise FlowError(
            f"there is no editor: $VISUAL and $EDITOR are not set, and {' and '.join(_FALLBACKS)} are not installed"
        )
    return [found]


def _parse_command(variable: str, setting: str, path: str | None) -> list[str]:
    try:
        command = shlex.split(setting)
    except ValueError as error:
        raise FlowError(f"${variable} can't be read: {str(error).lower()}") from None
    if shutil.which(command[0], path=path) is None:
        raise FlowError(f"${variable} names {escape_controls(command[0])!r}, which was not found")
    return command


def _write_files(files: Mapping[str, str]) -> Path:
    parent = state_dir() / "edits"
    make_private_folder(parent)
    _remove_stale_folders(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_host_prefix()}{os.getpid()}-", dir=parent))
    for name, text in files.items():
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode(*_ENCODING))
    return folder


def _remove_stale_folders(parent: Path) -> None:
    """Removes the folders of dashboards on this machine that were killed while an editor was open."""
    for folder in parent.glob(f"{glob.escape(_host_prefix())}*"):
        pid = folder.name.removeprefix(_host_prefix()).partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _host_prefix() -> str:
    return f"{platform.node()}-"  # home folders are shared between machines, and process ids are not


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path, before: str) -> str:
    """Returns the file's text; `before` if the editor removed the file."""
    try:
        return read_regular_file(path).decode(*_ENCODING)
    except FileNotFoundError:
        return before
