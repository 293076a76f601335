"""Reports a crash: one sentence on stderr, and a file without secrets in the state directory.

A report contains the version, the platform and the traceback (files, lines and functions). It contains no values of
variables, and messages only after redaction. The module imports no Textual, so it works before Textual is loaded.
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
from flow_tui.redact import redact

KEPT = 20
_PACKAGE = Path(__file__).resolve().parent
_MESSAGE_LIMIT = 2_000
_FRAMES_SHOWN = 60
_SILENT_LIMIT = 5
_numbers = count()
_silent_reports = count()


def install() -> None:
    """Reports every uncaught exception from now on, also those of threads and finalizers."""
    sys.excepthook = _on_uncaught
    threading.excepthook = lambda details: write_report_silently(details.exc_value)
    sys.unraisablehook = lambda details: write_report_silently(details.exc_value)
    atexit.register(_flush_streams)


def _flush_streams() -> None:
    """Flushes stdout and stderr. Python's own flush at exit would exit with 120 if the terminal is closed."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def report_crash(error: BaseException) -> None:
    """Writes the report to a file, and a sentence about it to stderr."""
    place = _locate(error)
    where = f"{type(error).__name__} in {place}" if place else type(error).__name__
    try:
        report = f"a report is in {write_report(error)}"
    except OSError as problem:
        report = f"no report could be written: {problem.strerror or problem}"
    try:
        print(f"flow-tui crashed ({where}); your tasks continue to run; {report}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return  # the terminal is closed; the report is written


def write_report_silently(error: BaseException | None) -> None:
    """Writes a report without output to the screen. Writes at most five in one run, because an error may repeat."""
    if error is None or isinstance(error, SystemExit | KeyboardInterrupt) or _is_hang_up(error):
        return
    if next(_silent_reports) >= _SILENT_LIMIT:
        return
    try:
        write_report(error)
    except OSError:
        return  # the dashboard uses the screen, so the error can't be shown


def write_report(error: BaseException) -> Path:
    """Writes a new file that only its owner can read, and keeps the newest 20 files. Raises OSError."""
    folder = state_dir() / "crashes"
    make_private_folder(folder)
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}-{next(_numbers)}.txt"
    text = f"{_describe_program(now)}\n\n{describe(error)}\n"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def describe(error: BaseException) -> str:
    """Formats the error and its causes as a traceback without source lines."""
    return "\n".join(_format_traceback(traceback.TracebackException.from_exception(error, lookup_lines=False)))


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        report_crash(error)


def _is_hang_up(error: BaseException) -> bool:
    """Returns whether the error is EIO, which a write to a closed terminal raises. It is no error of the program."""
    return isinstance(error, OSError) and error.errno == errno.EIO


def _describe_program(now: datetime) -> str:
    from importlib.metadata import PackageNotFoundError, version  # lazy import: slow to load, and crashes are rare

    try:
        textual = version("textual")
    except PackageNotFoundError:
        textual = "unknown"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"flow-tui {__version__}, textual {textual}, Python {platform.python_version()}, {system}\n{now:%FT%TZ}"


def _format_traceback(error: traceback.TracebackException) -> list[str]:
    """Returns the lines of an error: its message, shortened frames, then the errors of its group, and its cause."""
    lines = [_format_message("".join(error.format_exception_only()))]
    frames = [f"  {_shorten_path(frame.filename)}:{frame.lineno} in {frame.name}" for frame in error.stack]
    if len(frames) > _FRAMES_SHOWN:
        half = _FRAMES_SHOWN // 2
        frames[half:-half] = [f"  ... {len(frames) - 2 * half} more ..."]
    lines += frames
    for part in error.exceptions or ():
        lines += ["", "one of these:", *_format_traceback(part)]
    if error.__cause__ is not None:
        lines += ["", "caused by:", *_format_traceback(error.__cause__)]
    elif error.__context__ is not None and not error.__suppress_context__:
        lines += ["", "while handling:", *_format_traceback(error.__context__)]
    return lines


def _format_message(text: str) -> str:
    text = redact(text.strip())
    text = text if len(text) <= _MESSAGE_LIMIT else text[:_MESSAGE_LIMIT] + " ..."
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _locate(error: BaseException) -> str:
    """Finds the innermost frame in our own code, or else the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)]
    chosen = (ours or list(frames))[-1:]
    return "".join(f"{_shorten_path(frame.filename)}:{frame.lineno}" for frame in chosen)


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_PACKAGE) or path.is_relative_to(_PACKAGE.parent / "flow_core")


def _shorten_path(filename: str) -> str:
    """Shortens a path so that it shows no folders of the user."""
    path = Path(filename)
    if path.is_relative_to(_PACKAGE):
        return str(path.relative_to(_PACKAGE))
    return "/".join(path.parts[-3:] if _is_ours(filename) else path.parts[-2:])
