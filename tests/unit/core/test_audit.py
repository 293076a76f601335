"""The gate: what it refuses, what it writes down, and that the log never undoes what was done."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from flow_core.audit import AuditEntry, AuditLog, Change, Gate
from flow_core.errors import Conflict, FlowError, ReadOnly

CHANGE = Change("cancel", "lab", "t-1", "SIGTERM to 12")


class Deed:
    """Something to do, counted."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.done = 0
        self._error = error

    async def __call__(self) -> str:
        self.done += 1
        if self._error is not None:
            raise self._error
        return "answer"


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "state" / "actions.jsonl")


async def test_a_change_is_made_and_logged(log: AuditLog, tmp_path: Path) -> None:
    gate = Gate(log=log)
    assert await gate.apply(CHANGE, Deed()) == "answer"
    (action,) = log.read_recent()
    assert (action.context, action.verb, action.target, action.call) == ("lab", "cancel", "t-1", "SIGTERM to 12")
    assert action.result == "ok"
    assert action.time.endswith("+00:00")
    path = tmp_path / "state" / "actions.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_read_only_does_nothing_and_says_what_was_not_done(log: AuditLog) -> None:
    deed = Deed()
    with pytest.raises(ReadOnly, match="cancel t-1 was not done"):
        await Gate(read_only=True, log=log).apply(CHANGE, deed)
    assert deed.done == 0
    assert log.read_recent() == ()


async def test_a_target_is_shown_without_control_characters(log: AuditLog) -> None:
    change = Change("delete volume", "local", "\x1b[31m" + "x" * 5000, "rm")
    with pytest.raises(ReadOnly) as refused:
        await Gate(read_only=True, log=log).apply(change, nothing)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


async def nothing() -> None:
    """What a change does here."""


async def test_one_long_command_hides_no_other_entry(log: AuditLog) -> None:
    gate = Gate(log=log)
    for call in ("first", "x" * 1_000_000, "last"):
        await gate.apply(Change("submit", "local", "train", call), nothing)
    last, long, first = log.read_recent()
    assert (last.call, first.call) == ("last", "first")
    assert long.call.startswith("xxx")
    assert long.call.endswith("… (1,000,000 characters)")


async def test_an_error_is_logged_with_its_message(log: AuditLog) -> None:
    with pytest.raises(Conflict):
        await Gate(log=log).apply(CHANGE, Deed(Conflict("held by t-2")))
    assert log.read_recent()[0].result == "held by t-2"


async def test_an_interrupted_change_is_logged_as_interrupted(log: AuditLog) -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Gate(log=log).apply(CHANGE, endless))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.read_recent()[0].result == "interrupted"


async def test_a_log_that_can_not_be_written_stops_the_change_before_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    deed = Deed()
    with pytest.raises(FlowError, match="cancel t-1 was not done: the audit log can't be written: "):
        await Gate(log=AuditLog(tmp_path / "file" / "actions.jsonl")).apply(CHANGE, deed)
    assert deed.done == 0


async def test_a_log_that_fails_afterwards_does_not_hide_the_answer(tmp_path: Path, log: AuditLog) -> None:
    gate = Gate(log=log)
    path = tmp_path / "state" / "actions.jsonl"

    async def breaks_the_log() -> str:
        path.unlink()
        path.mkdir()
        return "answer"

    assert await gate.apply(CHANGE, breaks_the_log) == "answer"
    assert gate.unlogged == "Is a directory"
    path.rmdir()
    await gate.apply(CHANGE, Deed())
    assert gate.unlogged is None


def action(number: int, call: str = "") -> AuditEntry:
    return AuditEntry("now", "me", "lab", "cancel", str(number), call, "ok")


def test_the_last_actions_come_first(log: AuditLog) -> None:
    for number in range(10):
        log.append(action(number))
    assert [one.target for one in log.read_recent(3)] == ["9", "8", "7"]


def test_what_can_not_be_read_is_left_out(log: AuditLog, tmp_path: Path) -> None:
    assert log.read_recent() == ()
    log.append(action(1))
    with (tmp_path / "state" / "actions.jsonl").open("ab") as file:
        file.write(b'{"half": \n\xff\xff\n[1]\n{"time": "x"}\n')
    log.append(action(2))
    assert [one.target for one in log.read_recent()] == ["2", "1"]


def test_a_log_that_is_no_file_has_no_actions(tmp_path: Path) -> None:
    assert AuditLog(tmp_path).read_recent() == ()


def test_foreign_text_stays_on_its_line(log: AuditLog, tmp_path: Path) -> None:
    log.append(action(1, "echo 'a\nb\x1b[1m\u2028'"))
    raw = (tmp_path / "state" / "actions.jsonl").read_bytes()
    assert raw.count(b"\n") == 1
    assert b"\x1b" not in raw
    assert json.loads(raw)["call"] == "echo 'a\nb\x1b[1m\u2028'"
    assert log.read_recent()[0].call == "echo 'a\nb\x1b[1m\u2028'"


def test_the_log_takes_two_files_at_most(log: AuditLog, tmp_path: Path) -> None:
    for number in range(12):
        log.append(action(number, "x" * (1 << 20)))
    files = sorted(file.name for file in (tmp_path / "state").iterdir())
    assert files == ["actions.jsonl", "actions.old.jsonl"]
    assert sum(file.stat().st_size for file in (tmp_path / "state").iterdir()) < 11 << 20
