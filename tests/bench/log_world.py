"""A running task whose log other processes fill, on a tmpfs, and a dashboard that shows it.

FLOW_BENCH_LOG_MB sets the size of a big log, in MB (1000); the times of the floods shrink with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.painted import drain, make_word, wait_shown
from bench.world import dashboard, world
from testbed.pty_screen import Screen

SIZE_MB = int(os.environ.get("FLOW_BENCH_LOG_MB", "1000"))
SHARE = SIZE_MB / 1000
LETTERS = "BCDEHIJKMNOPQRSTUVWXYZ"
"""Letters that the pane itself doesn't paint while it follows a log without capitals."""
_TMPFS = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class LogWorld:
    """The environment of a dashboard with one running task, the spool of that task, and a folder for other files."""

    environment: dict[str, str]
    spool: Path
    folder: Path

    def clear(self) -> None:
        """Empties the spool."""
        os.truncate(self.spool, 0)

    def append(self, text: str) -> None:
        with self.spool.open("ab") as file:
            file.write(text.encode())

    @contextmanager
    def writer(self, mode: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process that writes to spools; ends it."""
        argv = [sys.executable, str(Path(__file__).parent / "log_writer.py"), mode, *arguments]
        with subprocess.Popen(argv) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def log_world() -> Iterator[LogWorld]:
    parent = _TMPFS if _TMPFS.is_dir() else None
    with world(commands={"bench": "sleep 3600"}, parent=parent) as environment:
        (folder,) = Path(environment["FLOW_STATE_DIR"]).glob("local/*/contexts/local/tasks/task_*/attempt-0")
        spool = folder / "rank-0.log"
        spool.touch()
        yield LogWorld(environment, spool, folder)


@contextmanager
def following(logs: LogWorld) -> Iterator[Screen]:
    """A dashboard whose logs pane follows the spool, which is emptied before."""
    logs.clear()
    logs.append("begin\n")
    with dashboard(logs.environment) as screen:
        screen.wait_for("begin", 20)
        screen.settle()
        screen.send("l")
        screen.wait_for("f follow", 20)
        restart(logs, screen)
        yield screen


def restart(logs: LogWorld, screen: Screen) -> None:
    """Empties the spool, and waits until the pane shows that."""
    word = make_word()
    logs.clear()
    logs.append(f"{word}\n")
    wait_shown(screen, word)
    drain(screen)
