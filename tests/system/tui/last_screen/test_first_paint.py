"""The last screen on a real terminal: painted, held with what is typed, and left again in any case."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.tables import each
from testbed.waiting import wait_until

from flow_tui.last_screen.start_identity import StartIdentity

KEEP = """
import os, sys
from pathlib import Path
from flow_tui.last_screen.screen_keeper import ScreenKeeper
from flow_tui.last_screen.start_identity import StartIdentity
columns, rows = os.get_terminal_size()
styled = [[("1", "header")], *([("38;5;2", f"row {number}")] for number in range(1, rows))]
ScreenKeeper(StartIdentity(sys.argv[2:], os.environ), Path(sys.argv[1])).keep(styled, "7", columns, 0.0)
"""
PAINT = """
import os, sys
from pathlib import Path
from flow_tui.last_screen.first_paint import paint_last_screen
held = paint_last_screen(sys.argv[2:])
if held is None:
    print("nothing is painted")
else:
    typed = b""
    while not typed.endswith(b"q"):
        typed += os.read(0, 100)
    Path(sys.argv[1]).write_bytes(typed)
    held.restore()
"""
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
Run = Callable[..., Screen]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("contexts: {}")
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    environment = {"HOME": str(folder), "FLOW_STATE_DIR": str(folder / "state"), "PYTHONPATH": str(ROOT)}

    def run_program(program: str, path: Path, *argv: str, size: tuple[int, int] = (60, 12), **extra: str) -> Screen:
        command = [sys.executable, "-c", program, str(path), *argv]
        return Screen(command, environment | extra, columns=size[0], rows=size[1])

    return run_program


def keep(run: Run, folder: Path) -> None:
    with run(KEEP, folder / "config.yaml") as screen:
        assert screen.wait_exit() == 0


def assert_restored(screen: Screen) -> None:
    assert screen.is_cooked()
    raw = bytes(screen.raw)
    assert raw.rfind(LEAVE) > raw.rfind(ENTER) >= 0
    assert raw.rfind(b"\x1b[?25h") > raw.rfind(b"\x1b[?25l") >= 0


def test_it_is_painted_with_its_age_and_what_is_typed_is_kept_unseen(run: Run, folder: Path) -> None:
    keep(run, folder)
    with run(PAINT, folder / "typed") as screen:
        text = screen.wait_for("row 11")
        assert "as of " in text.splitlines()[0]
        assert " s ago; loading" in text.splitlines()[0]
        assert "header" not in text
        assert not screen.is_cooked()
        screen.send("abc", "enter", "up", "ctrl+z", "q")
        assert screen.wait_exit() == 0
        assert (folder / "typed").read_bytes() == b"abc\r\x1b[A\x1aq"
        assert_restored(screen)
        assert b"abc" not in screen.raw


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_killed_meanwhile_leaves_the_terminal_as_it_was(
    run: Run, folder: Path, number: signal.Signals
) -> None:
    keep(run, folder)
    with run(PAINT, folder / "typed") as screen:
        screen.wait_for("row 11")
        children = Path(f"/proc/{screen.pid}/task/{screen.pid}/children")
        wait_until(lambda: not children.exists() or children.read_text())
        screen.signal(number)
        assert screen.wait_exit() == 128 + number
        wait_until(lambda: not screen.pump(0.05) and LEAVE in screen.raw and screen.is_cooked())
        assert_restored(screen)


def test_ctrl_c_ends_the_program_at_once(run: Run, folder: Path) -> None:
    keep(run, folder)
    loads_forever = "import flow_tui.__main__ as main, sys, types, time\n" + (
        "slow = types.ModuleType('flow_tui.program'); slow.run_program = lambda *_: time.sleep(600)\n"
        "sys.modules['flow_tui.program'] = slow; sys.exit(main.run(sys.argv[2:]))"
    )
    with run(loads_forever, folder / "typed") as screen:
        screen.wait_for("row 11")
        screen.send("ctrl+c")
        assert screen.wait_exit() == 130
        assert_restored(screen)


@each(
    "change",
    [
        {"size": (61, 12)},
        {"size": (60, 13)},
        {"argv": ("--read-only",)},
        {"argv": ("--theme", "flow-light")},
        {"argv": ("--config", "other.yaml")},
        {"argv": ("--demo",)},
        {"COLORTERM": ""},
        {"TERM": "xterm-kitty"},
        {"TERM": "dumb"},
        {"FLOW_CONFIG": "other.yaml"},
        {"FLOW_STATE_DIR": "/nowhere"},
        {"MITHRIL_API_KEY": "fkey_other"},
        {"COLUMNS": "60"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_after_any_change_nothing_is_painted(run: Run, folder: Path, change: dict[str, object]) -> None:
    keep(run, folder)
    options = dict(change)
    argv: tuple[str, ...] = options.pop("argv", ())  # type: ignore[assignment]
    with run(PAINT, folder / "typed", *argv, **options) as screen:
        screen.wait_for("nothing is painted")
        assert screen.wait_exit() == 0
        assert ENTER not in screen.raw
        assert screen.is_cooked()


@each(
    "damage",
    [
        lambda file, config: config.write_text("contexts: {lab: {provider: local}}"),
        lambda file, config: config.unlink(),
        lambda file, config: file.unlink(),
        lambda file, config: file.write_bytes(b"\x1b]0;title\x07" + file.read_bytes()),
        lambda file, config: file.write_bytes(file.read_bytes().replace(b"row 3", b"row \x1b[2J")),
        lambda file, config: file.write_bytes(file.read_bytes()[:-20]),
        lambda file, config: (file.unlink(), os.mkfifo(file)),
    ],
)
def test_a_changed_config_and_a_damaged_file_are_ignored(
    run: Run, folder: Path, damage: Callable[[Path, Path], object]
) -> None:
    (folder / "config.yaml").write_text("contexts: {}")
    for old in (folder / "state").rglob("*-*x*"):
        old.unlink()
    keep(run, folder)
    (file,) = (folder / "state" / "last-screens").iterdir()
    damage(file, folder / "config.yaml")
    with run(PAINT, folder / "typed") as screen:
        screen.wait_for("nothing is painted")
        assert ENTER not in screen.raw


def test_only_their_owner_can_read_the_screens_and_only_the_newest_eight_are_kept(run: Run, folder: Path) -> None:
    for rows in range(10, 20):
        with run(KEEP, folder / "config.yaml", size=(60, rows)) as screen:
            assert screen.wait_exit() == 0
    screens = folder / "state" / "last-screens"
    assert screens.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in screens.iterdir()} == {0o600}
    assert sorted(file.name.partition("-")[2] for file in screens.iterdir()) == [f"60x{rows}" for rows in range(12, 20)]


def test_a_process_in_the_background_paints_nothing(run: Run, folder: Path) -> None:
    keep(run, folder)
    in_background = "import os\nif os.fork(): os.wait()\nelse:\n    os.setpgid(0, 0)\n" + "\n".join(
        f"    {line}" for line in PAINT.strip().splitlines()
    )
    with run(in_background, folder / "typed") as screen:
        screen.wait_for("nothing is painted")
        assert ENTER not in screen.raw


def test_the_folder_is_that_of_the_state(tmp_path: Path) -> None:
    identity = StartIdentity([], {"FLOW_STATE_DIR": str(tmp_path)})
    assert Path(identity.screen_path(80, 24)).parent == tmp_path / "last-screens"
