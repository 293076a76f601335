"""The command lines of pagers and editors."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.errors import FlowError
from flow_tui.panes.logs.log_programs import find_pager, place_editor, place_pager

FILE = Path("/tmp/rank-0.txt")


@each(
    "command, expected",
    [
        ("vim", ["vim", "+7", str(FILE)]),
        ("/usr/bin/nano -v", ["/usr/bin/nano", "-v", "+7", str(FILE)]),
        ("code --wait", ["code", "--wait", "--goto", f"{FILE}:7"]),
        ("hx", ["hx", f"{FILE}:7"]),
    ],
)
def test_an_editor_opens_at_the_line(command: str, expected: list[str]) -> None:
    assert place_editor(command.split(), FILE, 7) == expected


@each(
    "command, expected",
    [
        ("less -S", ["less", "-S", "-R", "+7g"]),
        ("/bin/more", ["/bin/more", "+7"]),
        ("mypager -x", ["mypager", "-x"]),
    ],
)
def test_a_pager_opens_at_the_line_if_it_can(command: str, expected: list[str]) -> None:
    assert place_pager(command.split(), 7) == expected


def test_the_pager_is_that_of_the_environment_or_one_that_is_installed(tmp_path: Path) -> None:
    less = tmp_path / "less"
    less.touch(0o755)
    path = {"PATH": str(tmp_path)}
    assert find_pager(path) == ["less"]
    assert find_pager({**path, "PAGER": f"{less} -S"}) == [str(less), "-S"]
    for setting, problem in (("none", "was not found"), ("'", "can't be read")):
        with pytest.raises(FlowError, match=problem):
            find_pager({**path, "PAGER": setting})
    with pytest.raises(FlowError, match="no pager"):
        find_pager({"PATH": ""})
