"""Validates the arguments of an upload, and describes the upload and its result."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.argument_checks import check_path, format_value
from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.upload.report import OnProgress, Progress, UploadResult


def parse_source_dir(source_dir: object) -> Path:
    """Returns the absolute path of the source; default: the current directory. Raises ConfigError."""
    path = "." if source_dir is None else check_path("source_dir", source_dir)
    try:
        return Path(os.path.expanduser(path)).absolute()
    except OSError:
        raise ConfigError(
            "source_dir: the folder this runs in is gone; write a path from /", field="source_dir"
        ) from None


def parse_target_dir(target_dir: object) -> str:
    """Returns the path of the target in the task. Raises ConfigError."""
    target = check_path("target_dir", target_dir)
    if not target.isprintable():
        raise ConfigError(f"target_dir: {format_value(target)} must not hold control characters", field="target_dir")
    if os.path.normpath(target) in ("/", "//"):
        raise ConfigError(
            "target_dir: must be a folder of its own, not the root of the file system", field="target_dir"
        )
    return target


def find_print(console: object | None) -> Callable[[str], object]:
    """Returns a function that prints a line on the console. Raises ConfigError for an object without `print`."""
    if console is None:
        return lambda _: None
    show = getattr(console, "print", None)
    if not callable(show):
        raise ConfigError(f"console: a {type(console).__name__} has no print", field="console")
    return lambda line: show(line)


def find_progress_callback(progress_reporter: object | None) -> OnProgress | None:
    """Returns a function that reports progress; None without a reporter. Raises ConfigError."""
    if progress_reporter is None:
        return None
    update = getattr(progress_reporter, "update", progress_reporter)
    if not callable(update):
        kind = type(progress_reporter).__name__
        raise ConfigError(
            f"progress_reporter: a {kind} has no update(done_bytes, total_bytes, path), nor can it be called",
            field="progress_reporter",
        )

    def report(now: Progress) -> None:
        update(now.bytes_done, now.bytes_total, now.path)

    return report


def describe_copy(source: Path, target: str) -> str:
    """Describes the change, for the user and the audit log."""
    return f"copy what changed of {shlex.quote(str(source))} to {shlex.quote(target)}"


def summarize(result: UploadResult) -> str:
    """Returns one line without file names: a console could take their brackets for markup."""
    parts = [f"{result.files_sent} files sent ({result.bytes_sent:,} bytes)", f"{result.files_unchanged} unchanged"]
    if result.files_deleted:
        parts.append(f"{result.files_deleted} deleted")
    if result.skipped:
        parts.append(f"{len(result.skipped)} not sent")
    return f"{', '.join(parts)}, in {result.duration_s:.1f} s"
