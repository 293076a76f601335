"""Writes the last screen to the state directory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flow_core.agent.private_folders import make_private_folder
from flow_tui.last_screen.screen_file import KeptScreen, encode_screen, stamp_file
from flow_tui.last_screen.start_identity import StartIdentity

Rows = Sequence[Sequence[tuple[str, str]]]
"""The texts of each row, each after the parameters of its SGR sequence."""

KEPT = 8
"""The number of screens that are kept: of several sizes, contexts and config files."""


class ScreenKeeper:
    """Keeps the last screen of this start for the next one. `config` is the config file that was read."""

    def __init__(self, identity: StartIdentity, config: Path) -> None:
        self._identity = identity
        self._config_path = os.path.abspath(config)
        self._config_stamp = stamp_file(self._config_path)
        self._written: object = None

    def keep_if_changed(self, rows: Rows, mark_style: str, columns: int, age_s: float) -> None:
        """Writes a screen as `keep` does, if it differs from the last one that was written."""
        if self._written != (columns, rows):
            self.keep(rows, mark_style, columns, age_s)

    def keep(self, rows: Rows, mark_style: str, columns: int, age_s: float) -> None:
        """Writes a screen that is `age_s` old. Blocks; call it in a thread.

        Ignores errors, because the screen is only a convenience.
        """
        screen = KeptScreen(int(time.time() - age_s), self._config_path, self._config_stamp, mark_style, rows)
        if (data := encode_screen(screen)) is not None:
            with suppress(OSError):
                _write_file(Path(self._identity.screen_path(columns, len(rows))), data)
                self._written = (columns, rows)


def _write_file(path: Path, data: bytes) -> None:
    make_private_folder(path.parent)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    os.replace(part, path)
    by_age = sorted((entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(path.parent))
    for _, old in by_age[:-KEPT]:
        with suppress(FileNotFoundError):
            os.unlink(old)
