"""Every screen reads exactly as its snapshot, in colours that can be read.

A snapshot is plain text, one file per screen and size of the terminal. Each walk through the screens has a theme.

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
from itertools import zip_longest
from pathlib import Path

import pytest
from testbed.screen_text import screen_text
from testbed.showcase import CLUSTER_SCREENS, SCREENS, Showcase, cluster_showcase, showcase
from testbed.tui.contrast import is_plain, segments, unreadable_texts
from testbed.tui.press import press
from testbed.waiting import DEADLINE_S, until

from flow_tui.colour_depth import ColourDepth
from flow_tui.themes import load_themes

SIZES = [(120, 36), (80, 24)]
THEMES = [theme.name for theme in load_themes()[0]]
SNAPSHOTS = Path(__file__).parent / "snapshots"
IS_UPDATE = os.environ.get("FLOW_UPDATE_SNAPSHOTS") == "1"
_LATER_S = 5.0  # for the screens after one that has failed the test already
_LOOKS = 40
_CLUSTER = "-cluster"
_CLOCK = re.compile(r"[\d:]{1,5}$")  # a dialog may cover its first digits
_SILENCE = re.compile(r"(?P<edge>[─━]) no line for \d+ (?:min|h) (?= )")  # after a slow walk
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?|(?<![\d:])\d\d:\d\d(:\d\d)?(?![\d:])")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(("size", "theme"), list(zip_longest(SIZES, THEMES)), ids=str)
async def test_every_screen_reads_as_its_snapshot_in_colours_that_can_be_read(
    tmp_path: Path, home: Path, size: tuple[int, int] | None, theme: str | None
) -> None:
    """A theme that is left over is looked at without snapshots."""
    async with showcase(size or SIZES[0], tmp_path, theme=theme or THEMES[0]) as shown:
        await check_screens(shown, None if size is None else SNAPSHOTS / "x".join(map(str, size)), home)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_every_screen_of_a_cluster_reads_as_its_snapshot_in_colours_that_can_be_read(
    tmp_path: Path, home: Path, size: tuple[int, int]
) -> None:
    async with cluster_showcase(size, tmp_path) as shown:
        await check_screens(shown, SNAPSHOTS / f"{size[0]}x{size[1]}{_CLUSTER}", home)


async def check_screens(shown: Showcase, folder: Path | None, home: Path) -> None:
    """Walks through the screens. Compares them with the snapshots in the folder; without one, only looks at them."""
    screens: dict[str, str] = {}
    unreadable, patience_s = [], DEADLINE_S

    def read() -> str:
        return mask(screen_text(shown.app), home)

    async for name in shown.walk():
        if folder is not None:
            wanted = expected(folder, name)
            screens[name] = await (read_settled(read) if IS_UPDATE else read_like(read, wanted, patience_s))
            if screens[name] != wanted:
                patience_s = _LATER_S
        unreadable += [f"{name}: {found}" for found in unreadable_texts(shown.app)]
    if folder is None:
        folder = SNAPSHOTS
    elif IS_UPDATE:
        write_snapshots(folder, screens)
    differences = [difference(f"{folder.name}/{name}", expected(folder, name), text) for name, text in screens.items()]
    found = "\n".join(text for text in differences if text)
    assert not found, f"{found}\n\nIf these changes are intended: make snapshots"
    assert not unreadable, "\n".join(unreadable)


async def test_the_app_shows_only_colours_that_the_terminal_has(tmp_path: Path) -> None:
    async with showcase((80, 24), tmp_path, colours=ColourDepth.PALETTE_256) as shown:
        colours = [colour for _, style, _ in segments(shown.app) if style for colour in (style.color, style.bgcolor)]
        assert {colour.number is not None and colour.number >= 16 for colour in colours if colour} == {True}
    async with showcase((80, 24), tmp_path, colours=ColourDepth.PALETTE_16) as shown:
        await press(shown.pilot, "app.new_task")
        await shown.shows("new task", "New task")
        assert all(is_plain(style) for _, style, _ in segments(shown.app))
        cursor = [text for text, style, _ in segments(shown.app) if style and style.reverse]
        assert any("Submit" in text for text in cursor)


def test_every_snapshot_belongs_to_a_screen() -> None:
    for file in SNAPSHOTS.glob("*/*"):
        assert file.stem in (CLUSTER_SCREENS if file.parent.name.endswith(_CLUSTER) else SCREENS), file


def mask(text: str, home: Path) -> str:
    """The text with placeholders of the same width for what differs from run to run: moments, and private folders."""
    header, *rows = text.split("\n")
    private = re.compile(rf"{re.escape(str(home.parent)[:6])}\S* *")
    rows = [private.sub(lambda found: "/home/ana/…".ljust(len(found[0])), row) for row in rows]
    rows = [_SILENCE.sub(lambda found: found["edge"] * len(found[0]), row) for row in rows]
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
        is_whole = looks[-1].startswith(" flo")  # a dialog may be there before the dashboard behind it
        return is_whole and len(looks) == _LOOKS and len(set(looks)) == 1

    await until(is_settled)
    return looks[-1]


def difference(name: str, snapshot: str, screen: str) -> str:
    """The changed rows as a diff; empty if there are none."""
    names = (f"{name}: snapshot", f"{name}: screen")
    return "\n".join(unified_diff(snapshot.splitlines(), screen.splitlines(), *names, n=0, lineterm=""))
