"""The forms for volumes: making one, giving one to a task."""

from __future__ import annotations

from typing import Any

import pytest

from flow_core.errors import ConfigError, Conflict, FlowError
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.volume import Volume
from flow_tui.dialogs.field import Field
from flow_tui.panes.volumes.attach_form import AttachForm
from flow_tui.panes.volumes.volume_form import VolumeForm


class Store:
    """Makes volumes; refuses the first ones with what it was given."""

    def __init__(self, *refusals: FlowError) -> None:
        self.refusals = list(refusals)
        self.made: list[tuple[str, int, str, str]] = []
        self.given: list[tuple[str, str | None]] = []

    async def create(self, context: str, size_gb: int, name: str, interface: str) -> Volume:
        if self.refusals:
            raise self.refusals.pop(0)
        self.made.append((context, size_gb, name, interface))
        return Volume(context, "vol_1", name, size_gb)

    async def attach(self, task: TaskRecord, path: str | None) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.given.append((task.task_id, path))
        return path or "/volumes/data"


def tasks(*names: str) -> list[TaskRecord]:
    return [TaskRecord("local", f"task_{name}", name, TaskStatus.RUNNING) for name in names]


def row_under(question: Any, key: str) -> str:
    field = next(field for field in question.app.screen.query(Field) if field.key == key)
    return str(question.rows[field.control.region.bottom].strip(" │"))


async def test_a_volume_is_made_as_typed(ask: Any) -> None:
    store = Store()
    async with ask(VolumeForm(("local", "lab"), store.create)) as question:
        await question.type("data")
        await question.press("tab", *["backspace"] * 2)
        await question.type("200")
        await question.press("tab", "right", "tab", "right", "form.send")
        await question.until(lambda: question.answers)
    assert store.made == [("lab", 200, "data", "file")]
    assert question.answers[0].name == "data"


@pytest.mark.parametrize(
    ("preset", "key", "expected"),
    [
        ({"name": ""}, "name", "must be 3 to 64"),
        ({"name": "My Data"}, "name", "must be 3 to 64"),
        ({"size_gb": "some"}, "size_gb", "enter gigabytes, such as 100"),
        ({"size_gb": "0"}, "size_gb", "Input should be greater than or equal to 1"),
    ],
)
async def test_what_is_wrong_with_a_volume_is_said_under_its_field(
    ask: Any, preset: dict[str, str], key: str, expected: str
) -> None:
    store = Store()
    form = VolumeForm(("local",), store.create, preset={"name": "data", "size_gb": "1"} | preset)
    async with ask(form) as question:
        await question.press("form.send")
        await question.shows(expected)
        assert row_under(question, key).startswith(expected)
        assert store.made == []


async def test_a_name_that_is_taken_is_refused_and_the_form_stays(ask: Any) -> None:
    store = Store(Conflict("data [b]exists[/ already"))
    async with ask(VolumeForm(("local",), store.create, preset={"name": "data"})) as question:
        await question.press("form.send")
        await question.shows("data [b]exists[/ already")
        await question.type("2")
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert store.made == [("local", 10, "data2", "block")]


async def test_esc_makes_no_volume(ask: Any) -> None:
    store = Store()
    async with ask(VolumeForm(("local",), store.create, preset={"name": "data"}), size=(60, 15)) as question:
        assert "ctrl+s create" in question.text
        await question.press("escape")
        assert (question.answers, store.made) == ([None], [])


async def test_a_task_is_picked_by_its_row_and_enter_goes_on_to_the_path(ask: Any) -> None:
    store = Store()
    async with ask(AttachForm("data", tasks("one", "two", "three"), store.attach)) as question:
        await question.press("j", "j", "k", "enter")
        assert store.given == []
        await question.type("/mnt/d")
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert store.given == [("task_two", "/mnt/d")]
    assert question.answers == ["/mnt/d"]


async def test_without_a_path_the_provider_chooses(ask: Any) -> None:
    store = Store()
    async with ask(AttachForm("data", tasks("one"), store.attach)) as question:
        assert "mount path; default: /volumes/data" in question.text
        await question.press("alt+enter")
        await question.until(lambda: question.answers)
    assert store.given == [("task_one", None)]
    assert question.answers == ["/volumes/data"]


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/"])
async def test_a_path_that_can_not_be_is_refused_under_the_path(ask: Any, path: str) -> None:
    store = Store()
    async with ask(AttachForm("data", tasks("one"), store.attach)) as question:
        await question.press("tab")
        await question.type(path)
        await question.press("form.send")
        await question.shows("must be an absolute path")
        assert row_under(question, "mount_path").startswith(f"'{path}' must be an absolute path")
        assert store.given == []


async def test_what_the_provider_says_of_the_task_stands_under_the_list(ask: Any) -> None:
    store = Store(ConfigError("task_id: it has ended", field="task_id"), Conflict("held by [red]x[/"))
    async with ask(AttachForm("data", tasks("one", "two"), store.attach)) as question:
        await question.press("form.send")
        await question.shows("it has ended")
        assert row_under(question, "task") == "it has ended"
        await question.press("j")
        assert "it has ended" not in question.text
        await question.press("form.send")
        await question.shows("held by [red]x[/")


async def test_many_tasks_scroll_and_the_keys_stay_in_view(ask: Any) -> None:
    names = [f"[red]n{number}[/\x1b[2J" for number in range(40)]
    async with ask(AttachForm("data", tasks(*names), Store().attach), size=(60, 15)) as question:
        await question.press("G")
        await question.shows("[red]n39[/␛[2J")
        assert "ctrl+s attach" in question.text
        assert "\x1b" not in question.text


async def test_without_a_task_there_is_nothing_to_attach_to(ask: Any) -> None:
    store = Store()
    async with ask(AttachForm("data", [], store.attach)) as question:
        assert "This context has no unfinished task." in question.text
        await question.press("form.send")
        await question.shows("there is no task to attach the volume to")
        await question.press("escape")
        assert (question.answers, store.given) == ([None], [])
