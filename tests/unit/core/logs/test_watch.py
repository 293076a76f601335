"""Waiting for a file to change."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from flow_core.logs import file_watcher


@pytest.mark.parametrize("has_inotify", [True, False])
async def test_a_change_is_noticed_even_when_it_came_before_anybody_waited(tmp_path: Path, has_inotify: bool) -> None:
    path = tmp_path / "log"
    took = []
    with closing(file_watcher.FileWatcher(path if has_inotify else tmp_path / "missing" / "log")) as waiting:
        for _ in range(3):
            with open(path, "ab") as log:
                log.write(b"x")
            started = time.monotonic()
            await waiting.wait_for_change()
            took.append(time.monotonic() - started)
    assert min(took) < 0.2  # the others may have met a busy machine


async def test_closing_gives_the_descriptor_back(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    waiting = file_watcher.FileWatcher(tmp_path / "log")
    await waiting.wait_for_change()
    waiting.close()
    waiting.close()
    assert len(os.listdir("/dev/fd")) == before
