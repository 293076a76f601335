"""What happens at a fault of our own: one sentence on the terminal, and a report that holds no secret.

A report has the version, the platform and where the fault was: files, lines and functions, no values of
variables, and messages only after scrubbing. It needs no Textual, so that it works before that is loaded.
"""

from __future__ import annotations

import atexit
import errno
import os
import platform
import sys
import threading
import traceback
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType

from flow_core import __version__
from flow_core.agent.private_folders import make_private_folder
from flow_core.config import state_dir
from flow_tui.scrub import scrub

KEPT = 20
_PACKAGE = Path(__file__).resolve().parent
_MESSAGE_LIMIT = 2_000
_FRAMES_SHOWN = 60
_QUIET_LIMIT = 5
_numbers = count()
_quietly_kept = count()


def install() -> None:
    """From now on every fault outside the app ends in a sentence and a report too."""
    sys.excepthook = _on_uncaught
    threading.excepthook = lambda seen: keep_quietly(seen.exc_value)
    sys.unraisablehook = lambda seen: keep_quietly(seen.exc_value)
    atexit.register(_flush_what_can_be)


def _flush_what_can_be() -> None:
    """Python flushes once more at its very end, and exits with 120 where the terminal is gone by then."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def tell(error: BaseException) -> None:
    """Writes the report, and the sentence about it on stderr."""
    place = _place(error)
    where = f"{type(error).__name__} in {place}" if place else type(error).__name__
    try:
        kept = f"a report is in {write_report(error)}"
    except OSError as failed:
        kept = f"no report could be written: {failed.strerror or failed}"
    try:
        print(f"flow-tui crashed ({where}); your tasks continue to run; {kept}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return  # the terminal is gone; the report stands


def keep_quietly(error: BaseException | None) -> None:
    """A report of a fault that nothing waits for; the screen stays as it is. A few a run, lest one repeats for ever."""
    if error is None or isinstance(error, SystemExit | KeyboardInterrupt) or _is_hang_up(error):
        return
    if next(_quietly_kept) >= _QUIET_LIMIT:
        return
    try:
        write_report(error)
    except OSError:
        return  # nobody to tell: the screen is the dashboard's


def write_report(error: BaseException) -> Path:
    """A new file only its owner can read; of the older ones the newest stay. Raises OSError."""
    folder = state_dir() / "crashes"
    make_private_folder(folder)
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}-{next(_numbers)}.txt"
    text = f"{_about(now)}\n\n{describe(error)}\n"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def describe(error: BaseException) -> str:
    """The error with all that led to it, as places in the code."""
    return "\n".join(_lines(traceback.TracebackException.from_exception(error, lookup_lines=False)))


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        tell(error)


def _is_hang_up(error: BaseException) -> bool:
    """Whoever writes to a terminal that was closed gets this; it is no fault of ours."""
    return isinstance(error, OSError) and error.errno == errno.EIO


def _about(now: datetime) -> str:
    from importlib.metadata import PackageNotFoundError, version  # deferred: slow to load, and faults are rare

    try:
        textual = version("textual")
    except PackageNotFoundError:
        textual = "unknown"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"flow-tui {__version__}, textual {textual}, Python {platform.python_version()}, {system}\n{now:%FT%TZ}"


def _lines(seen: traceback.TracebackException) -> list[str]:
    lines = [_message("".join(seen.format_exception_only()))]
    frames = [f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in seen.stack]
    if len(frames) > _FRAMES_SHOWN:
        half = _FRAMES_SHOWN // 2
        frames[half:-half] = [f"  ... {len(frames) - 2 * half} more ..."]
    lines += frames
    for part in seen.exceptions or ():
        lines += ["", "one of these:", *_lines(part)]
    if seen.__cause__ is not None:
        lines += ["", "caused by:", *_lines(seen.__cause__)]
    elif seen.__context__ is not None and not seen.__suppress_context__:
        lines += ["", "while handling:", *_lines(seen.__context__)]
    return lines


def _message(text: str) -> str:
    text = scrub(text.strip())
    text = text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " ..."
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _place(error: BaseException) -> str:
    """The innermost place in our own code, else the innermost at all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)]
    chosen = (ours or list(frames))[-1:]
    return "".join(f"{_short(frame.filename)}:{frame.lineno}" for frame in chosen)


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_PACKAGE) or path.is_relative_to(_PACKAGE.parent / "flow_core")


def _short(filename: str) -> str:
    """Enough to find the file, without the folders of whoever runs it."""
    path = Path(filename)
    if path.is_relative_to(_PACKAGE):
        return str(path.relative_to(_PACKAGE))
    return "/".join(path.parts[-3:] if _is_ours(filename) else path.parts[-2:])
