"""A store of tasks with its index shows exactly what the folders hold, whatever happens to either."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from testbed.file_operations import count_file_operations
from testbed.properties import limit_examples, seeded
from testbed.task_folders import TaskFolders

from flow_core.agent import ended_lines
from flow_core.agent.changes import TaskChanges
from flow_core.agent.ended_index import mark_reusable
from flow_core.agent.ended_tasks import EndedTasks
from flow_core.agent.layout import Layout
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import TaskStore
from flow_core.providers.local.tasks import LocalTasks

NEWER_HEAD = b"flow-ended-tasks 0002 0123456789abcdef\n"
DAMAGE = (b"", b"\0" * 100, NEWER_HEAD, b"x" * 85, None)
FINAL = ("completed", "failed", "cancelled")
REPORT_FIELDS_OF_VERSION_1 = (
    *("task_id", "name", "status", "command", "created_at", "started_at", "completed_at", "ranks", "instance_type"),
    *("gpu_type", "gpu_count", "exit_code", "message", "owner", "attempt", "between_attempts", "volumes", "ports"),
    *("config", "folder", "working_dir", "pids", "gpus", "reservation", "engine", "containers", "is_broken", "seq"),
    *("part", "parts", "is_ready", "submitted_at"),
)


@pytest.fixture
def folders(tmp_path: Path) -> TaskFolders:
    return TaskFolders(tmp_path / "machine")


def reports(tasks: Iterable[Any]) -> dict[str, TaskReport]:
    return {task.task_id: task.report for task in tasks}


def index_of(folders: TaskFolders) -> Path:
    return folders.layout.ended_index


class StoresAndFolders(RuleBasedStateMachine):
    """Several stores, as several processes have them, and what other programs do to the folders and the index."""

    def __init__(self) -> None:
        super().__init__()
        self._home = tempfile.TemporaryDirectory(prefix="flow-index-")
        self.folders = TaskFolders(Path(self._home.name, "machine"))
        self.stores = [TaskStore(self.folders.layout)]
        self.unfinished: list[str] = []
        self.ended: list[str] = []
        self.removed: list[str] = []

    def teardown(self) -> None:
        self._home.cleanup()

    @rule(key=st.sampled_from(["", "a", "b"]))
    def submit(self, key: str) -> None:
        self.unfinished.append(self.folders.submit(config={"idempotency_key": key} if key else {}))

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.folders.set_state(data.draw(st.sampled_from(self.unfinished)), "running")

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data(), status=st.sampled_from(FINAL), message=st.text(max_size=5))
    def end(self, data: st.DataObject, status: str, message: str) -> None:
        task_id = data.draw(st.sampled_from(self.unfinished))
        self.unfinished.remove(task_id)
        self.ended.append(task_id)
        self.folders.set_state(task_id, status, completed_at=3.0, message=message)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(self.ended))
        self.ended.remove(task_id)
        mark_reusable(self.folders.layout, task_id)
        self.folders.remove(task_id)
        self.removed.append(task_id)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(self.ended))
        self.ended.remove(task_id)
        self.folders.remove(task_id)

    @precondition(lambda self: self.removed)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(self.removed))
        self.removed.remove(task_id)
        self.unfinished.append(self.folders.submit(task_id))

    @precondition(lambda self: self.unfinished or self.ended)
    @rule(data=st.data(), name=st.sampled_from(["spec.json", "state.json", "mounts.json"]))
    def edit(self, data: st.DataObject, name: str) -> None:
        """Breaks a record, or makes it that of a newer version. The stores fetch the task by its id."""
        task_id = data.draw(st.sampled_from(self.unfinished + self.ended))
        text = data.draw(st.sampled_from(["{", '{"version": 99}']))
        (self.folders.layout.task(task_id).path / name).write_text(text)
        for store in self.stores:
            store.find(task_id)

    @rule()
    def time_passes(self) -> None:
        self.folders.long_ago()

    @rule()
    def start_a_process(self) -> None:
        self.stores = [*self.stores[-2:], TaskStore(self.folders.layout)]

    @rule(
        name=st.sampled_from(["ended_index", "ended_reports"]), kept=st.integers(0, 100), more=st.sampled_from(DAMAGE)
    )
    def damage_the_index(self, name: str, kept: int, more: bytes | None) -> None:
        """Cuts the file, adds bytes to it, repeats a part of it or removes it."""
        path: Path = getattr(self.folders.layout, name)
        if not path.exists():
            return
        before = path.read_bytes()
        path.write_bytes(before[: len(before) * kept // 100] + (before[39:200] if more is None else more))

    @rule(name=st.sampled_from(["ended_index", "ended_reports"]))
    def remove_the_index(self, name: str) -> None:
        getattr(self.folders.layout, name).unlink(missing_ok=True)

    @invariant()
    def every_store_shows_what_the_folders_hold(self) -> None:
        expected = self.folders.read_all()
        for number, store in enumerate(self.stores):
            newest = sorted(expected.values(), key=lambda report: report.seq, reverse=True)
            limit = 2 if number else None
            page = store.list_newest(limit=limit)
            assert [task.seq for task in page.tasks] == [report.seq for report in newest[:limit]]
            assert all(task.report == expected[task.task_id] for task in page.tasks)
            assert page.total == len(expected)
            failed = store.list_newest({"failed", "running"})
            assert reports(failed.tasks) == {
                task_id: report for task_id, report in expected.items() if report.status in ("failed", "running")
            }
            assert reports(store.list_unfinished()) == {
                task_id: report for task_id, report in expected.items() if not report.is_over
            }
            survey = store.survey()
            assert {*reports(survey.changeable), *survey.ended} == expected.keys()
            with_key = [one.seq for one in newest if one.config.get("idempotency_key") == "a"]
            found = store.find_by_key("a")
            assert (found and found.seq) == (with_key[0] if with_key else None)


StoresAndFolders.TestCase.settings = settings(limit_examples(25), stateful_step_count=30)
test_the_stores_show_what_the_folders_hold = seeded(StoresAndFolders.TestCase)


def settle(folders: TaskFolders, *stores: TaskStore) -> None:
    """Lets the stores list the folder when no race is possible any more."""
    folders.long_ago()
    for store in stores:
        store.list_newest(limit=10)


def count_poll(folders: TaskFolders, store: TaskStore) -> dict[str, int]:
    settle(folders, store)
    before = store.list_newest(limit=10)
    with count_file_operations() as counts:
        after = store.list_newest(limit=10)
    assert after is before
    return dict(counts)


def test_an_unchanged_poll_costs_the_same_file_operations_for_any_number_of_ended_tasks(tmp_path: Path) -> None:
    counts = []
    for number in (10, 300):
        folders = TaskFolders(tmp_path / str(number))
        folders.write_ended(number)
        for _ in range(3):
            folders.set_state(folders.submit(), "running")
        store = LocalTasks(folders.layout, "here")
        counts.append(count_poll(folders, store))
        listed = store.list_records(limit=10)
        assert (len(listed), listed.total) == (10, number + 3)
        assert store.list_records(limit=10) is listed
    assert counts[0] == counts[1]
    assert sum(counts[0].values()) < 30


def test_a_new_process_reads_no_file_of_an_ended_task(folders: TaskFolders) -> None:
    counts = []
    for number in (20, 280):
        folders.write_ended(number)
        settle(folders, TaskStore(folders.layout))
        with count_file_operations() as counted:
            TaskStore(folders.layout).list_newest(limit=10)
        counts.append(counted)
    assert counts[0] == counts[1]
    assert counts[0]["open"] == 2, "the index and the reports"


def test_the_agent_answers_about_unchanged_tasks_without_their_files(folders: TaskFolders) -> None:
    counts = []
    for number in (20, 280):
        folders.write_ended(number)
        store = TaskStore(folders.layout)
        changes = TaskChanges(store, folders.layout)
        settle(folders, store)
        first = changes.get_changes_since(0, "")
        assert first is not None
        assert len(first["tasks"]) == len(folders.read_all())
        with count_file_operations() as counted:
            assert changes.get_changes_since(first["look"], first["process"]) is None
        counts.append(counted)
    assert counts[0] == counts[1]


def test_the_agent_reports_only_the_tasks_that_ended_or_went_away(folders: TaskFolders) -> None:
    ended = folders.write_ended(5)
    running = [folders.submit() for _ in range(2)]
    changes = TaskChanges(TaskStore(folders.layout), folders.layout)
    first = changes.get_changes_since(0, "")
    assert first is not None
    assert {task["task_id"] for task in first["tasks"]} == {*ended, *running}
    folders.set_state(running[0], "failed", exit_code=3, completed_at=3.0)
    folders.remove(ended[0])
    folders.remove(running[1])
    now = changes.get_changes_since(first["look"], first["process"])
    assert now is not None
    assert [(task["task_id"], task["exit_code"]) for task in now["tasks"]] == [(running[0], 3)]
    assert set(now["gone"]) == {ended[0], running[1]}


def test_the_index_shrinks_when_most_of_its_tasks_are_gone(folders: TaskFolders) -> None:
    task_ids = folders.write_ended(300)
    store, other = TaskStore(folders.layout), TaskStore(folders.layout)
    settle(folders, store, other)
    before = index_of(folders).stat().st_size
    for task_id in task_ids[:200]:
        folders.remove(task_id)
    settle(folders, store)
    assert index_of(folders).stat().st_size < before / 2
    expected = folders.read_all()
    for reader in (store, other, TaskStore(folders.layout)):
        assert reports(reader.list_all()) == expected
    with count_file_operations() as counts:
        assert reports(TaskStore(folders.layout).list_all()) == expected
    assert counts["open"] == 2


def test_a_removed_task_disappears_from_the_next_list(folders: TaskFolders) -> None:
    first, second = folders.write_ended(2)
    store = TaskStore(folders.layout)
    settle(folders, store)
    folders.remove(first)
    assert reports(store.list_all()).keys() == {second}


def test_a_task_with_the_id_of_a_removed_one_is_not_taken_for_that(folders: TaskFolders) -> None:
    (task_id,) = folders.write_ended(1)
    store = TaskStore(folders.layout)
    settle(folders, store)
    mark_reusable(folders.layout, task_id)
    folders.remove(task_id)
    folders.submit(task_id)
    for reader in (store, TaskStore(folders.layout)):
        assert reports(reader.list_unfinished()).keys() == {task_id}


def test_a_line_that_another_process_writes_after_the_task_was_removed_shows_nothing(folders: TaskFolders) -> None:
    (removed,) = folders.write_ended(1)
    unfinished = folders.submit()
    late = EndedTasks(folders.layout)
    late.add(folders.read_all()[removed], ())
    folders.remove(removed)
    store = TaskStore(folders.layout)
    settle(folders, store)
    late.write()
    folders.set_state(unfinished, "failed", completed_at=3.0)
    assert [store.list_newest(limit=1).total for _ in range(2)] == [1, 1]
    assert store.survey().ended.keys() == {unfinished}


def test_a_task_that_has_not_ended_although_the_index_says_so_is_read_by_every_process(folders: TaskFolders) -> None:
    (task_id,) = folders.write_ended(1)
    store = TaskStore(folders.layout)
    settle(folders, store)
    folders.set_state(task_id, "running")
    store.find(task_id)
    store.list_newest(limit=10)
    assert reports(TaskStore(folders.layout).list_unfinished()).keys() == {task_id}


def test_a_change_within_the_same_time_of_the_folder_is_noticed(folders: TaskFolders) -> None:
    store, soon = TaskStore(folders.layout), time.time() + 1000
    for number in range(1, 4):
        folders.submit()
        os.utime(folders.layout.tasks, (soon, soon))
        assert len(store.list_all()) == number


def test_a_changed_byte_of_a_report_shows_nothing_wrong(folders: TaskFolders) -> None:
    folders.write_ended(2)
    TaskStore(folders.layout).list_all()
    path = folders.layout.ended_reports
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"exit_code":0', b'"exit_code":7'))
    assert path.read_bytes() != before
    assert reports(TaskStore(folders.layout).list_all()) == folders.read_all()


def test_the_state_directory_may_be_moved(folders: TaskFolders, tmp_path: Path) -> None:
    (task_id,) = folders.write_ended(1)
    TaskStore(folders.layout).list_all()
    moved = Layout(tmp_path / "moved", folders.layout.context)
    folders.layout.root.rename(moved.root)
    assert [task.report.folder for task in TaskStore(moved).list_all()] == [str(moved.task(task_id).path)]


def test_the_index_of_a_newer_version_stays_as_it_is(folders: TaskFolders) -> None:
    folders.write_ended(3)
    index_of(folders).write_bytes(NEWER_HEAD + b"lines of another form")
    store = TaskStore(folders.layout)
    settle(folders, store)
    assert reports(store.list_all()) == folders.read_all()
    mark_reusable(folders.layout, "task_aaaaaaaaaa")
    assert index_of(folders).read_bytes() == NEWER_HEAD + b"lines of another form"


def test_a_folder_in_place_of_the_index_costs_only_time(folders: TaskFolders) -> None:
    folders.write_ended(3)
    index_of(folders).mkdir()
    for _ in range(2):
        assert reports(TaskStore(folders.layout).list_all()) == folders.read_all()


def test_only_the_owner_can_read_the_index(folders: TaskFolders) -> None:
    folders.write_ended(300)
    before = os.umask(0)
    try:
        TaskStore(folders.layout).list_all()
    finally:
        os.umask(before)
    files = list(folders.layout.tasks.parent.glob("ended.*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_broken_or_newer_record_is_read_each_time(folders: TaskFolders) -> None:
    for number, text in enumerate(["{", '{"version": 99, "status": "completed"}']):
        task_id = folders.submit()
        folders.layout.task(task_id).state.write_text(text)
        store = TaskStore(folders.layout)
        settle(folders, store)
        assert len(store.survey().ended) == number
        folders.set_state(task_id, "completed", completed_at=3.0)
        assert reports(store.list_all())[task_id].status == "completed"


def test_the_version_of_the_index_belongs_to_the_fields_of_a_report() -> None:
    """If this fails, raise VERSION and write down the new fields."""
    assert ended_lines.VERSION == 1
    assert TaskReport._fields == REPORT_FIELDS_OF_VERSION_1
