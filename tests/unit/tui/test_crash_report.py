"""The report of a fault: what it holds, and that it can do no harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flow_core.config import state_dir
from flow_tui import crash_report

SECRET = "sk-secret-123"


def fault(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_only_the_newest_reports_are_kept() -> None:
    paths = [crash_report.write_report(fault(f"number {n}")) for n in range(crash_report.KEPT + 5)]
    assert sorted((state_dir() / "crashes").glob("*.txt")) == paths[5:]


def test_what_led_to_a_fault_is_in_the_report() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ExceptionGroup("both", [fault("second"), fault("third")]) from error
    except ExceptionGroup as group:
        text = crash_report.describe(group)
    assert re.findall("first|second|third", text) == ["second", "third", "first"]
    assert "caused by:\nKeyError: 'first'" in text


def test_a_fault_without_bottom_makes_a_short_report() -> None:
    def deeper(depth: int) -> int:
        return deeper(depth + 1) + 1

    try:
        deeper(0)
    except RecursionError as error:
        lines = crash_report.describe(error).splitlines()
    assert len(lines) < 100
    assert any("more ..." in line for line in lines)


def test_an_error_that_can_not_be_printed_is_still_reported() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError(SECRET)

    text = crash_report.describe(Broken())
    assert "Broken" in text
    assert SECRET not in text


def test_a_message_can_not_drive_the_terminal_that_shows_the_report() -> None:
    assert "\x1b" not in crash_report.describe(fault("\x1b]0;title\x07"))


def test_a_state_directory_that_takes_no_file_is_said_in_the_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "file"))
    crash_report.report_crash(fault("x"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "no report could be written: Not a directory" in line
