"""The command line: what it takes, what it refuses, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each

import flow_core
from flow_tui.arguments import Arguments, make_printable, parse_arguments


def test_everything_that_can_be_said_is_read() -> None:
    expected = parse_arguments(
        ["--context", "lab", "--read-only", "--theme", "x", "--config", "f.yaml", "--context=b", "--context", "lab"]
    )
    assert expected == Arguments(("lab", "b"), True, "x", Path("f.yaml"))
    assert parse_arguments([]) == Arguments()


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [ended(option, capsys) for option in ("--help", "-h", "--version")]
    assert [(code, error) for code, _, error in shown] == [(0, "")] * 3
    for option in ("--context", "--read-only", "--theme", "--config", "--version", "--help"):
        assert option in shown[0][1]
    assert shown[1] == shown[0]
    assert shown[2][1] == f"flow-tui {flow_core.__version__}\n"


def ended(argument: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """(exit code, what was printed, what was printed as an error) where the argument ends the program."""
    with pytest.raises(SystemExit) as end:
        parse_arguments([argument])
    return end.value.code, *capsys.readouterr()


@each(
    ("argument", "expected"),
    [
        ("--nonsense", "--nonsense"),
        ("surplus", "surplus"),
        ("--context", "--context"),
        ("--read-only=yes", "--read-only"),
        ("--read", "--read"),
        ("a\x1b[31mb\nc", "a\N{REPLACEMENT CHARACTER}[31mb\N{REPLACEMENT CHARACTER}c"),
    ],
)
def test_what_can_not_be_read_is_one_line_and_exit_code_2(
    argument: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, error = ended(argument, capsys)
    assert (code, printed) == (2, "")
    assert error.startswith("flow-tui: ")
    assert expected in error
    assert error.count("\n") == 1


def test_one_line_keeps_text_and_drops_control() -> None:
    assert make_printable("Grüße 漢\t\x9b1m") == "Grüße 漢\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}1m"
