"""Bookmarks of several programs at once, some of which are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.waiting import until

from flow_core.logs.log_bookmarks import BookmarkStore, LogBookmark

_PROGRAM = """
import sys
from pathlib import Path
from flow_core.logs.log_bookmarks import BookmarkStore, LogBookmark
store, key = BookmarkStore(Path(sys.argv[1])), sys.argv[2]
for n in range(1_000_000):
    store.add(key, LogBookmark(n % 50, f"number {n}", "text"))
"""


async def test_a_kill_at_any_moment_leaves_a_whole_file_and_blocks_nobody(tmp_path: Path) -> None:
    store = BookmarkStore(tmp_path)
    store.add("mine", LogBookmark(7, "stays", "text"))
    for round_number in range(3):
        keys = [f"{round_number}-{program}" for program in range(2)]
        programs = [subprocess.Popen([sys.executable, "-c", _PROGRAM, str(tmp_path), key]) for key in keys]
        try:
            await until(lambda keys=keys: all(store.load(key) for key in keys))  # type: ignore[misc]
        finally:
            for program in programs:
                program.kill()
                program.wait()
        store.add("mine", LogBookmark(round_number, "", ""))
    assert [mark.offset for mark in store.load("mine")] == [0, 1, 2, 7]
