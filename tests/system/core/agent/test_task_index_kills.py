"""Processes that are killed while they write the index of ended tasks, or while they replace it."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest
from testbed.file_operations import count_file_operations, watch_file_operations
from testbed.task_folders import TaskFolders

from flow_core.agent.tasks import TaskStore

_pwrite = os.pwrite


class Killer:
    """Kills this process before its file operation with this number on the files of the index.

    With `in_half`, it first writes half of what the operation would have written.
    """

    def __init__(self, number: int, *, in_half: bool) -> None:
        self._left = number
        self._in_half = in_half

    def __call__(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name != "pwrite" and (name not in ("open", "os.rename") or "/ended." not in str(arguments[0])):
            return
        self._left -= 1
        if self._left:
            return
        if name == "pwrite" and self._in_half:
            fd, data, offset = arguments
            _pwrite(fd, data[: len(data) // 2], offset)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("in_half", [False, True], ids=["between", "within"])
@pytest.mark.parametrize("replaces", [False, True], ids=["append", "replace"])
def test_a_writer_that_is_killed_at_any_step_leaves_an_index_that_others_can_use(
    tmp_path: Path, replaces: bool, in_half: bool
) -> None:
    folders = TaskFolders(tmp_path / "machine")
    for number in count(1):
        if replaces:
            _waste_lines(folders)
        folders.write_ended(3)
        reader = TaskStore(folders.layout)
        reader.find(next(iter(folders.read_all())))
        if not _is_killed(folders, Killer(number, in_half=in_half)):
            break
        expected = folders.read_all()
        for store in (reader, TaskStore(folders.layout)):
            page = store.list_newest()
            assert {task.task_id: task.report for task in page.tasks} == expected
            assert page.total == len(expected)
        _assert_complete(folders)
    assert number > 6, "the process was killed at every step"


def _waste_lines(folders: TaskFolders) -> None:
    """Leaves an index that the next reader replaces."""
    task_ids = folders.write_ended(120)
    TaskStore(folders.layout).list_newest(limit=1)
    for task_id in task_ids:
        folders.remove(task_id)


def _is_killed(folders: TaskFolders, killer: Killer) -> bool:
    child = os.fork()
    if child == 0:
        _list_and_exit(folders, killer)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _list_and_exit(folders: TaskFolders, killer: Killer) -> NoReturn:
    try:
        with watch_file_operations(killer):
            TaskStore(folders.layout).list_newest(limit=10)
    finally:
        os._exit(0)


def _assert_complete(folders: TaskFolders) -> None:
    """Asserts that the last reader has completed the index: another one needs no folder."""
    folders.long_ago()
    with count_file_operations() as counts:
        TaskStore(folders.layout).list_newest(limit=10)
    assert counts["open"] == 2
