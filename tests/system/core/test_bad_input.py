"""Whatever is handed to a public method is done, or refused in one sentence; nothing is changed by a refusal."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.call_table import ID, ODD_TEXTS, STRANGERS, TABLES, VOLUME, Row
from testbed.outcomes import ask, is_harmless, outcome
from testbed.sentences import is_a_sentence
from testbed.tables import each

from flow_core import AsyncFlow, AsyncTask, Client, ConfigError, Flow, FlowError, LogId, NotFound, Task, Unsupported
from flow_core.argument_checks import format_value
from flow_core.audit import AuditLog
from flow_core.config import Config, Context

EVERY_ROW = [(owner, name) for owner, rows in TABLES.items() for name in rows]
EACH = each(("owner", "name"), EVERY_ROW, ids=[f"{owner.__name__}.{name}" for owner, name in EVERY_ROW])
CLOSED = [(owner, name) for owner, name in EVERY_ROW if TABLES[owner][name].closed]
EACH_THAT_NEEDS_AN_OPEN_CLIENT = each(
    ("owner", "name"), CLOSED, ids=[f"{owner.__name__}.{name}" for owner, name in CLOSED]
)


class Subject:
    """One running task and one volume, the objects that are asked, and what there is on the disk."""

    def __init__(self, home: Path, flow: Flow, task: Task, volume_id: str) -> None:
        self.home = home
        self.flow = flow
        self.task_id = task.task_id
        self.good = {ID: task.task_id, VOLUME: volume_id}
        self.task = task

    def owner(self, kind: type) -> Any:
        """An object of this kind, its own and open."""
        made = {AsyncFlow: AsyncFlow, Flow: Flow, Client: Client}
        if kind in made:
            return made[kind]("local")
        flow = AsyncFlow("local")
        handle = AsyncTask(self.task.record, flow)
        return handle if kind is AsyncTask else Task(handle)

    def arguments(self, row: Row, **odd: Any) -> dict[str, Any]:
        good = {name: value for name, (_, value) in row.takes.items() if name != "fields"}
        known = {name: self.good.get(value, value) for name, value in good.items() if isinstance(value, str)}
        return good | known | odd

    def traces(self) -> set[str]:
        """Every folder that stands for a task, a volume, a reservation or a place in the queue."""
        found: set[str] = set()
        for folder, names, files in os.walk(self.home / "state" / "local"):
            names[:] = [name for name in names if not name.startswith(("attempt-", "ssh"))]  # these come and go
            kept = files if os.path.basename(folder) in ("queue", "reservations") else []
            found.update(f"{folder}/{name}" for name in (*names, *kept))
        return found


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    home = tmp_path_factory.mktemp("subject")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOW_STATE_DIR", str(home / "state"))
        with Flow("local") as flow:
            volume = flow.create_volume(1, name="a-volume", interface="file")
            task = flow.submit("sleep 600").wait_until_started(20)
            yield Subject(home, flow, task, volume.volume_id)
            task.cancel(force=True)
            task.wait(20)


@pytest.fixture(autouse=True)
def _in_its_place(subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOW_STATE_DIR", str(subject.home / "state"))
    monkeypatch.chdir(tmp_path)


@each("owner", TABLES, ids=lambda owner: owner.__name__)
def test_every_method_has_a_row(owner: type) -> None:
    public = {name for name, _ in inspect.getmembers(owner, inspect.isfunction) if not name.startswith("_")}
    assert set(TABLES[owner]) == public
    for name, row in TABLES[owner].items():
        parameters = {*inspect.signature(getattr(owner, name)).parameters} - {"self", "kwargs", "do"}
        if row.takes:
            assert set(row.takes) <= parameters, name
            assert parameters - set(row.takes) <= {"node", "fields"}, name


@EACH
async def test_a_value_of_another_type_is_refused_by_name(owner: type, name: str, subject: Subject) -> None:
    row, asked, before = TABLES[owner][name], subject.owner(owner), subject.traces()
    for parameter, (kind, _) in row.takes.items():
        for value in kind.wrong:
            refusal, answer = await outcome(asked, name, subject.arguments(row, **{parameter: value}))
            case = f"{parameter}={format_value(value)}: {answer!r}"
            assert isinstance(refusal, ConfigError | Unsupported), case
            assert is_a_sentence(refusal), case
            if isinstance(refusal, ConfigError):
                assert parameter in f"{refusal.field} {refusal}", f"{case} {refusal}"
    assert subject.traces() == before


@EACH
async def test_an_odd_value_is_refused_in_a_sentence(owner: type, name: str, subject: Subject) -> None:
    row, asked, before = TABLES[owner][name], subject.owner(owner), subject.traces()
    for parameter, (kind, _) in row.takes.items():
        for value in kind.odd:
            refusal, answer = await outcome(asked, name, subject.arguments(row, **{parameter: value}))
            case = f"{parameter}={format_value(value)}: {answer!r}"
            assert is_harmless(answer) if refusal is None else is_a_sentence(refusal), case
    assert subject.traces() == before


@EACH_THAT_NEEDS_AN_OPEN_CLIENT
async def test_a_closed_client_refuses_in_a_sentence(owner: type, name: str, subject: Subject) -> None:
    row, asked, before = TABLES[owner][name], subject.owner(owner), subject.traces()
    flow = asked if owner in (AsyncFlow, Flow, Client) else asked.flow
    await ask(flow, "close", {})
    arguments = subject.arguments(row)
    if "address" in arguments:
        arguments["address"] = LogId("local", subject.task_id)
    with pytest.raises(FlowError, match="is closed; make a new one") as refused:
        await ask(asked, name, arguments)
    assert is_a_sentence(refused.value)
    assert subject.traces() == before


@each("kind", [AsyncFlow, Flow, Client])
@each("context", [*STRANGERS, *ODD_TEXTS, "mars"], ids=lambda value: ascii(value)[:30])
def test_a_context_that_is_not_there_is_refused(kind: Any, context: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        kind(context)
    assert is_a_sentence(refused.value)
    assert "context" in str(refused.value)


@each(
    "name",
    [None, 5, b"x", *(text for text in ODD_TEXTS if not text.isidentifier())],
    ids=lambda value: ascii(value)[:30],
)
def test_a_context_name_must_fit_in_a_path(name: Any) -> None:
    with pytest.raises(ConfigError, match="up to 64 letters") as refused:
        Context(name, "local")
    assert is_a_sentence(refused.value)


@each("provider", ["nimbus", "", "\x1b[31m", "x" * 1_000_000], ids=lambda value: ascii(value)[:30])
def test_an_unknown_provider_is_refused_in_one_sentence(provider: str) -> None:
    for kind in (Flow, Client):
        asked: Any = kind(Context("x", provider))
        with pytest.raises(ConfigError, match="known are: local") as refused:
            asked.volumes() if kind is Client else asked.list_tasks()
        assert is_a_sentence(refused.value)


@each("settings", [None, 5, [], "x"])
def test_settings_are_a_table(settings: Any) -> None:
    with pytest.raises(ConfigError, match="settings: must be a table"):
        Context("x", "local", settings)


def test_a_config_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="config: must be a Config, not dict"):
        Flow("local", config={})  # type: ignore[arg-type]
    assert Flow("local", config=Config(Path("nowhere"), (Context("local", "local"),))).context.name == "local"


UNKNOWN = [
    ("cancel", {"task_id": "task_aaaaaaaaaa"}),
    ("status", {"task_id": "task_aaaaaaaaaa"}),
    ("get_task", {"task_id": "task_aaaaaaaaaa"}),
    ("logs", {"task_id": "task_aaaaaaaaaa"}),
    ("logs", {"task_id": "task_aaaaaaaaaa", "follow": True}),
    ("logs", {"task_id": ID, "rank": 7}),
    ("logs", {"task_id": ID, "attempt": 7}),
    ("shell", {"task_id": "task_aaaaaaaaaa", "command": "true"}),
    ("task_metrics", {"task_id": "task_aaaaaaaaaa"}),
    ("instance_metrics", {"allocation_id": "local-8xh900"}),
    ("delete_volume", {"volume_id": "vol_aaaaaaaaaa"}),
    ("mount_volume", {"volume_id": "vol_aaaaaaaaaa", "task_id": ID}),
    ("mount_volume", {"volume_id": VOLUME, "task_id": "task_aaaaaaaaaa"}),
]


@each(("name", "arguments"), UNKNOWN)
@each("owner", [AsyncFlow, Flow])
async def test_an_unknown_id_is_not_found(owner: type, name: str, arguments: dict[str, Any], subject: Subject) -> None:
    before, asked = subject.traces(), subject.owner(owner)
    with pytest.raises(NotFound) as refused:
        await ask(asked, name, {key: subject.good.get(value, value) for key, value in arguments.items()})
    assert is_a_sentence(refused.value)
    assert subject.traces() == before


async def test_the_audit_log_can_be_read_after_odd_values(subject: Subject) -> None:
    async with AsyncFlow("local") as flow:
        for odd in ODD_TEXTS:
            with pytest.raises(FlowError):
                await flow.delete_volume(odd)
            with pytest.raises(FlowError):
                await flow.cancel(odd)
    log = AuditLog()
    assert log.read_recent(3)
    assert all(line.isascii() for line in (subject.home / "state" / "actions.jsonl").read_text().splitlines())
    assert (subject.home / "state" / "actions.jsonl").stat().st_size < 1_000_000


@each("odd", [None, 5, b"x", [], *ODD_TEXTS], ids=lambda value: ascii(value)[:30])
def test_single_commands_refuse_what_is_no_task_and_no_command(odd: Any, subject: Subject) -> None:
    with Flow("local") as flow:
        remote = flow.get_remote_operations()
        with pytest.raises(FlowError) as refused:
            remote.run(odd, "true")
        assert is_a_sentence(refused.value)
    if not isinstance(odd, str):
        with pytest.raises(ConfigError, match="command: must be text"):
            remote.run(subject.task_id, odd)


@each(("name", "value"), [("node", -1), ("node", None), ("timeout_s", "5"), ("timeout_s", -1), ("stdin", "text")])
def test_single_commands_refuse_arguments_by_name(name: str, value: Any, subject: Subject) -> None:
    with Flow("local") as flow, pytest.raises(ConfigError, match=f"{name}: "):
        flow.get_remote_operations().run(subject.task_id, "true", **{name: value})


def test_a_deleted_working_directory_is_an_error_in_one_sentence(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    before = subject.traces()
    with Flow("local") as flow:
        for call in (
            lambda: flow.run("true"),
            lambda: flow.run("true", image="ubuntu"),
            lambda: flow.run("true", mounts={"/data": "here"}),
            lambda: flow.run("task.yaml"),
            lambda: flow.upload_code_to_task(subject.task_id),
        ):
            with pytest.raises(ConfigError) as refused:
                call()
            assert is_a_sentence(refused.value)
        assert flow.get_task(subject.task_id).is_running
    assert subject.traces() == before
