"""Every screen reads exactly as its snapshot: plain text, one file per screen and size of the terminal.

`make snapshots` writes the snapshots anew; review the changes with `git diff`.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from testbed.screen_text import screen_text
from testbed.showcase import SCREENS, showcase
from testbed.waiting import DEADLINE_S, until

SNAPSHOTS = Path(__file__).parent / "snapshots"
IS_UPDATE = os.environ.get("FLOW_UPDATE_SNAPSHOTS") == "1"
_LATER_S = 5.0  # for the screens after one that has failed the test already
_LOOKS = 40
_CLOCK = re.compile(r"[\d:]{1,5}$")  # a dialog may cover its first digits
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?|(?<![\d:])\d\d:\d\d(:\d\d)?(?![\d:])")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
async def test_every_screen_reads_as_its_snapshot(tmp_path: Path, home: Path, size: tuple[int, int]) -> None:
    folder = SNAPSHOTS / f"{size[0]}x{size[1]}"
    screens, patience_s = {}, DEADLINE_S
    async with showcase(size, tmp_path) as shown:

        def read() -> str:
            return mask(screen_text(shown.app), home)

        async for name in shown.walk():
            wanted = expected(folder, name)
            screens[name] = await (read_settled(read) if IS_UPDATE else read_like(read, wanted, patience_s))
            if screens[name] != wanted:
                patience_s = _LATER_S
    if IS_UPDATE:
        write_snapshots(folder, screens)
    differences = [difference(f"{folder.name}/{name}", expected(folder, name), text) for name, text in screens.items()]
    found = "\n".join(text for text in differences if text)
    assert not found, f"{found}\n\nIf these changes are intended: make snapshots"


def test_every_snapshot_belongs_to_a_screen() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*/*")} <= set(SCREENS)


def mask(text: str, home: Path) -> str:
    """The text with placeholders of the same width for what differs from run to run: moments, and private folders."""
    header, *rows = text.split("\n")
    private = re.compile(rf"{re.escape(str(home.parent)[:6])}\S* *")
    rows = [private.sub(lambda found: "/home/ana/…".ljust(len(found[0])), row) for row in rows]
    return "\n".join([_CLOCK.sub(_zeros, header), *(_MOMENT.sub(_zeros, row) for row in rows)]) + "\n"


def _zeros(found: re.Match[str]) -> str:
    return re.sub(r"\d", "0", found[0])


def write_snapshots(folder: Path, screens: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, text in screens.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def expected(folder: Path, name: str) -> str:
    file = folder / f"{name}.txt"
    return file.read_text(encoding="utf-8") if file.exists() else ""


async def read_like(read: Callable[[], str], text: str, patience_s: float) -> str:
    """The screen once it reads like the text; as it is after that time if it does not."""
    clock = asyncio.get_running_loop().time
    ends = clock() + patience_s
    await until(lambda: read() == text or clock() > ends, within_s=2 * patience_s)
    return read()


async def read_settled(read: Callable[[], str]) -> str:
    """The screen once nothing on it changes."""
    looks: deque[str] = deque(maxlen=_LOOKS)

    def is_settled() -> bool:
        looks.append(read())
        return len(looks) == _LOOKS and len(set(looks)) == 1

    await until(is_settled)
    return looks[-1]


def difference(name: str, snapshot: str, screen: str) -> str:
    """The changed rows as a diff; empty if there are none."""
    names = (f"{name}: snapshot", f"{name}: screen")
    return "\n".join(unified_diff(snapshot.splitlines(), screen.splitlines(), *names, n=0, lineterm=""))
