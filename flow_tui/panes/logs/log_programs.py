"""Opens a log in the user's pager or editor, at the line that is shown."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import App

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.export import read_raw_blocks, read_shown_blocks, run_blocking
from flow_tui.dialogs.submit.editor import find_editor
from flow_tui.dialogs.terminal_programs import check_terminal, run_on_terminal

COPY_LIMIT = 256 * 1024 * 1024
"""Largest copy that an editor gets, in bytes."""
_PAGERS = ("less", "more")
_COLON_EDITORS = ("hx", "helix", "subl", "zed")
_GOTO_EDITORS = ("code", "codium", "code-insiders", "cursor")


async def page_log(app: App[Any], files: SpoolFiles, offset: int) -> None:
    """Opens the log itself in the pager, which reads it as the task wrote it. Raises FlowError."""
    command = find_pager(os.environ)
    check_terminal(app)
    number = await run_blocking(lambda: sum(block.data.count(b"\n") for block in read_raw_blocks(files, 0, offset)))
    await _run(app, [*place_pager(command, number + 1), str(files.log)])


async def edit_log(app: App[Any], files: SpoolFiles, stream: int | None, offset: int, end: int) -> None:
    """Opens a copy of the shown text in the editor, so that no change reaches the log. Raises FlowError."""
    command = find_editor(os.environ)
    check_terminal(app)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="flow-log-"))
    try:
        path = folder / f"{files.log.stem}.txt"
        number = await run_blocking(lambda: _write_copy(path, files, stream, offset, end))
        await _run(app, place_editor(command, path, number))
    finally:
        await run_blocking(lambda: shutil.rmtree(folder, ignore_errors=True))


def find_pager(environment: Mapping[str, str]) -> list[str]:
    """Returns $PAGER with its arguments, or else the first installed pager. Raises FlowError."""
    path = environment.get("PATH")
    if setting := environment.get("PAGER", "").strip():
        try:
            command = shlex.split(setting)
        except ValueError as error:
            raise FlowError(f"$PAGER can't be read: {str(error).lower()}") from None
        if shutil.which(command[0], path=path) is None:
            raise FlowError(f"$PAGER names {command[0]!r}, which was not found")
        return command
    found = next((pager for pager in _PAGERS if shutil.which(pager, path=path)), None)
    if found is None:
        raise FlowError(f"there is no pager: $PAGER is not set, and {' and '.join(_PAGERS)} are not installed")
    return [found]


def place_pager(command: list[str], number: int) -> list[str]:
    """Adds the line to begin at, for pagers that accept one. less also shows colours."""
    match Path(command[0]).name:
        case "less":
            return [*command, "-R", f"+{number}g"]
        case "more" | "most":
            return [*command, f"+{number}"]
        case _:
            return command


def place_editor(command: list[str], path: Path, number: int) -> list[str]:
    """Adds the file, and the line to begin at as the editor accepts it. Most editors accept +N."""
    name = Path(command[0]).name
    if name in _GOTO_EDITORS:
        return [*command, "--goto", f"{path}:{number}"]
    if name in _COLON_EDITORS:
        return [*command, f"{path}:{number}"]
    return [*command, f"+{number}", str(path)]


def _write_copy(path: Path, files: SpoolFiles, stream: int | None, offset: int, end: int) -> int:
    """Writes the shown text to a file that can't be changed; returns the number of the line at `offset`, from 1."""
    number, size = 1, 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(fd, "wb") as file:
        for start, stop in ((0, offset), (offset, end)):
            for block in read_shown_blocks(files, stream, start, stop):
                size += file.write(block.data)
                number += block.data.count(b"\n") if stop == offset else 0
                if size > COPY_LIMIT:
                    raise FlowError("the log is larger than 256 MB; open it in the pager, or save it to a file")
    return number


async def _run(app: App[Any], argv: list[str]) -> None:
    try:
        await run_on_terminal(app, argv)
    except OSError as error:
        raise FlowError(f"{argv[0]} could not be started: {error.strerror or error}") from error
