"""Every benchmark, one line a number; exit code 1 when a target is missed. Arguments pick some: `start idle`.

Each part runs in a process of its own. docs/performance.md and README.md get its rows as soon as they are there; with
`--no-page` nothing is written.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench import machine, peers  # noqa: E402
from bench.page import MalformedPage, Page, read_page, write_page  # noqa: E402
from bench.readme import show_rows  # noqa: E402
from bench.table import Row, show  # noqa: E402

PAGE = HERE.parent.parent / "docs" / "performance.md"
README = HERE.parent.parent / "README.md"
PARTS = (
    "start",
    "list",
    "idle",
    "cursor",
    "tables",
    "memory",
    "terminal",
    "terminal_ssh",
    "demo",
    "sdk",
    "mithril",
    "blocking",
    "submit",
    "log_open",
    "log_follow",
    "log_redraws",
    "log_latency",
    "log_search",
    "log_keys",
    "log_merge",
    "ssh",
    "hosts",
    "slurm",
    "upload",
)
PART_S = 420.0
TMPFS = "/dev/shm"


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if name != "--no-page"]
    if unknown := set(names) - set(PARTS):
        print(f"no part is called {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    page = None if "--no-page" in arguments else _open_page(is_whole=not names)
    missed = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flow-bench-", dir=TMPFS if os.path.isdir(TMPFS) else None) as shared:
        for name in names or PARTS:
            rows = _run_part(name, Path(shared))
            missed += rows is None or not all(row.is_met for row in rows)
            if page is not None and rows is not None:
                page = page.with_part(name, rows, f"{datetime.now(UTC):%Y-%m-%d}", PARTS)
                _write(page)
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)
    return 1 if missed else 0


def _open_page(*, is_whole: bool) -> Page | None:
    """Before anything is measured, so that nothing is measured in vain."""
    try:
        page = read_page(PAGE)
        show_rows(README.read_text(encoding="utf-8"), page)
        return page.measured_on(
            machine.describe_machine(), machine.describe_versions(peers.versions()), is_whole=is_whole
        )
    except MalformedPage as error:
        print(f"{PAGE.name} is not written: {error}", file=sys.stderr, flush=True)
        return None


def _write(page: Page) -> None:
    """Writes the page, and the rows of it that README.md shows."""
    write_page(PAGE, page)
    README.write_text(show_rows(README.read_text(encoding="utf-8"), page), encoding="utf-8")


def _run_part(name: str, shared: Path) -> list[Row] | None:
    """Returns the rows of a part, None if it failed. What it needs is made in `shared` once for all parts."""
    answer = shared / f"{name}.rows"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, __file__, "--part", name, str(answer)], env={**os.environ, "FLOW_BENCH_SHARED": str(shared)}
    )
    try:
        process.wait(PART_S)
    except BaseException as error:
        _end(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        print(f"MISS {name} was ended after {PART_S:g} s", flush=True)
    print(f"     {name}: {time.monotonic() - began:.0f} s", flush=True)
    if process.returncode != 0 or not answer.exists():
        print(f"MISS {name} failed", flush=True)
        return None
    return [Row(**row) for row in json.loads(answer.read_text(encoding="utf-8"))]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Lets it end the tasks that it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _measure_part(name: str, answer: Path) -> int:
    from dataclasses import asdict
    from importlib import import_module

    rows = list(import_module(f"bench.bench_{name}").measure())
    show(rows)
    answer.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tasks are ended then, too
    if sys.argv[1:2] == ["--part"]:
        sys.exit(_measure_part(sys.argv[2], Path(sys.argv[3])))
    sys.exit(main(sys.argv[1:]))
