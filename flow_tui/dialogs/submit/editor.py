"""Edits a text in the user's own editor, which gets the terminal meanwhile."""

from __future__ import annotations

import asyncio
import glob
import os
import platform
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textual.app import App, SuspendNotSupported

from flow_core.agent.bounded_read import read_regular_file
from flow_core.agent.private_folders import make_private_folder
from flow_core.config import state_dir
from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls

_ELSE = ("nano", "vi")
_ENCODING = ("utf-8", "surrogateescape")  # what is no UTF-8 is kept too, and refused by whoever reads the text
_GRACE_S = 2.0
_OF_THE_EDITOR = (signal.SIGINT, signal.SIGQUIT)


class Edited(NamedTuple):
    """The text after editing, the editor's exit code (negative for a signal), and its name."""

    text: str
    exit_code: int
    editor: str


async def edit(app: App[Any], text: str, *, name: str, beside: Mapping[str, str]) -> Edited:
    """Returns once the editor has ended, which takes as long as it takes. The app goes on meanwhile, unseen.

    The text is in a file called `name`, with the files `beside` it, in a folder that only its owner can enter
    and that is gone afterwards. Raises FlowError where there is no editor or the terminal can't be given away.
    """
    command = find_editor(os.environ)
    if app.is_web or app._driver is None or not app._driver.can_suspend:
        raise FlowError("an editor needs a terminal, and this dashboard has none to give away")
    try:
        folder = await asyncio.to_thread(_lay_out, {name: text, **beside})
        try:
            code = await _run(app, [*command, str(folder / name)])
            return Edited(await asyncio.to_thread(_read, folder / name, text), code, Path(command[0]).name)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # and whatever the editor left beside it
    except OSError as error:
        raise FlowError(f"the editor could not be used: {error.strerror or error}") from error


def find_editor(environment: Mapping[str, str]) -> list[str]:
    """$VISUAL, else $EDITOR, with their arguments; else the first there is. Raises FlowError."""
    path = environment.get("PATH")
    for variable in ("VISUAL", "EDITOR"):
        if setting := environment.get(variable, "").strip():
            return _command(variable, setting, path)
    found = next((editor for editor in _ELSE if shutil.which(editor, path=path)), None)
    if found is None:
        raise FlowError(f"there is no editor: $VISUAL and $EDITOR are not set, and {' and '.join(_ELSE)} are not here")
    return [found]


def _command(variable: str, setting: str, path: str | None) -> list[str]:
    try:
        command = shlex.split(setting)
    except ValueError as error:
        raise FlowError(f"${variable} can't be read: {str(error).lower()}") from None
    if shutil.which(command[0], path=path) is None:
        raise FlowError(f"${variable} names {escape_controls(command[0])!r}, which is not to be found")
    return command


def _lay_out(files: Mapping[str, str]) -> Path:
    above = state_dir() / "edits"
    make_private_folder(above)
    _sweep(above)
    folder = Path(tempfile.mkdtemp(prefix=f"{_here()}{os.getpid()}-", dir=above))
    for name, text in files.items():
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode(*_ENCODING))
    return folder


def _sweep(above: Path) -> None:
    """Removes the folders of dashboards on this machine that were killed while an editor was open."""
    for folder in above.glob(f"{glob.escape(_here())}*"):
        pid = folder.name.removeprefix(_here()).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _here() -> str:
    return f"{platform.node()}-"  # homes are shared between machines, and process numbers are not


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path, before: str) -> str:
    """The file's text; `before` where the editor removed the file."""
    try:
        return read_regular_file(path).decode(*_ENCODING)
    except FileNotFoundError:
        return before


async def _run(app: App[Any], argv: Sequence[str]) -> int:
    failed: OSError | asyncio.CancelledError | None = None
    code = 0
    with _terminal_given_away(app):
        try:
            code = await _end_of(argv)
        except (OSError, asyncio.CancelledError) as error:
            if app._exit:
                raise  # and the terminal is not taken back by an app that leaves
            failed = error  # raised below: `suspend` takes it back only where nothing is raised in it
    if failed is not None:
        raise failed
    return code


async def _end_of(argv: Sequence[str]) -> int:
    process = await asyncio.create_subprocess_exec(*argv)
    try:
        return await process.wait()  # no deadline: somebody is writing
    except asyncio.CancelledError:
        await _end(process)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()


@contextmanager
def _terminal_given_away(app: App[Any]) -> Iterator[None]:
    """Nothing of the app reaches the terminal inside: a suspended driver drops what is written.

    What the keyboard signals is for the editor; a handler, unlike ignoring it, is not inherited.
    """
    before = {number: signal.signal(number, lambda *_: None) for number in _OF_THE_EDITOR}
    try:
        with app.suspend():
            yield
    except SuspendNotSupported as error:
        raise FlowError("the terminal can't be given to an editor here") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
