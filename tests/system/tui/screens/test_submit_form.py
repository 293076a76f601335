"""The submit form: keys, where complaints land, and that nothing typed is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from testbed.far_side import CONTEXTS, FarSide

from flow_core.client.task import AsyncTask
from flow_core.errors import CapacityError, ConfigError, FlowError
from flow_core.models.task_config import TaskConfig
from flow_tui.dialogs.field import Field
from flow_tui.dialogs.submit.submit_form import SubmitForm


class Slow(FarSide):
    """Answers once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.answer = asyncio.Event()

    async def submit(self, context: str, config: TaskConfig) -> AsyncTask:
        self.calls += 1
        await self.answer.wait()
        return await super().submit(context, config)


def row_under(question: Any, key: str) -> str:
    """The row of the screen right below a field's control."""
    field = next(field for field in question.app.screen.query(Field) if field.key == key)
    return str(question.rows[field.control.region.bottom].strip(" │"))


async def test_tab_goes_through_every_field_and_ctrl_s_submits(ask: Any) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit)) as question:
        await question.type("llama")
        await question.press("tab")
        await question.type("echo 1\necho 2")
        await question.press("tab", "right", "tab", *["backspace"] * 3)
        await question.type("2xa100")
        await question.press("tab")
        await question.type("A=1\nB=2")
        await question.press("tab")
        await question.type("data:/data")
        await question.press("tab")
        await question.type("/w")
        await question.press("tab")
        await question.type("12")
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    (context, config), (task,) = far.taken[0], question.answers
    assert task.task_id == "task_1"
    assert context == "lab"
    assert config == TaskConfig.parse(
        {
            "name": "llama",
            "unique_name": False,
            "command": "echo 1\necho 2",
            "instance_type": "2xa100",
            "env": {"A": "1", "B": "2"},
            "volumes": [{"name": "data", "mount_path": "/data"}],
            "working_dir": "/w",
            "max_run_time_hours": 12,
        }
    )


@pytest.mark.parametrize(
    "how", ["ctrl+s", "alt+enter", "legacy alt+enter", "legacy in a line", "legacy in a choice", "button", "click"]
)
async def test_every_way_to_submit_does(ask: Any, how: str) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("tab")
        if how.startswith("legacy"):
            await question.press(*{"line": ["shift+tab"], "choice": ["tab"]}.get(how.split()[-1], []))
            await question.type("\x1b\r")
        elif how == "button":
            await question.press("shift+tab", "shift+tab", "shift+tab", "enter")
        elif how == "click":
            await question.pilot.click(".-send")
        else:
            await question.press(how)
        await question.until(lambda: question.answers)
    assert [config.command for _, config in far.taken] == ["true"]


async def test_enter_in_a_line_moves_on_and_does_not_submit(ask: Any) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("enter")
        assert question.app.focused.has_class("-command")
        await question.press("tab", "enter", "enter")
        assert question.app.focused.has_class("-env")
        assert far.taken == []


@pytest.mark.parametrize(
    ("preset", "key", "said"),
    [
        ({"command": ""}, "command", "is empty; say what to run"),
        ({"name": "Bad Name"}, "name", "must be at most 128"),
        ({"env": "nonsense"}, "env", "line 1 is not NAME=value"),
        ({"volumes": "data:x"}, "volumes", "'data:x': 'x' must be an absolute path"),
        ({"max_run_hours": "soon"}, "max_run_hours", "write hours, such as 12"),
        ({"gpu": "4 a100"}, "gpu", "'4 a100' is no GPU request; did you mean 4xa100?"),
        ({"rest": "{"}, "rest", "write a table"),
        ({"rest": '{"ports": [80]}'}, "rest", "ports.0: "),
    ],
)
async def test_what_is_wrong_is_said_under_its_field(ask: Any, preset: dict[str, str], key: str, said: str) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"} | preset)) as question:
        await question.press("ctrl+s")
        await question.shows(said)
        assert row_under(question, key).startswith(said)
        assert question.app.focused.parent.parent.key == key
        assert far.taken == []


@pytest.mark.parametrize("field", ["instance_type", "gpu"])
async def test_what_the_provider_refuses_is_said_under_its_field_until_it_is_changed(ask: Any, field: str) -> None:
    far = FarSide(ConfigError(f"{field}: no 9xB300 [red]here[/\x1b[2J", field=field))
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true", "gpu": "9xb300"})) as question:
        await question.press("ctrl+s")
        await question.shows("no 9xB300 [red]here[/␛[2J")
        assert row_under(question, "gpu") == "no 9xB300 [red]here[/␛[2J"
        await question.press("backspace")
        assert "no 9xB300" not in question.text
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].instance_type == "9xb30"


@pytest.mark.parametrize(
    "refusal",
    [
        CapacityError("nothing [red]free[/\x1b[2J"),
        ConfigError("nothing [red]free[/\x1b[2J", field="num_instances"),
        ConfigError("nothing [red]free[/\x1b[2J"),
    ],
)
async def test_what_no_field_is_to_blame_for_is_said_above_the_keys(ask: Any, refusal: FlowError) -> None:
    far = FarSide(refusal)
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true", "env": "A=1"})) as question:
        await question.press("ctrl+s")
        await question.shows(r"nothing [red]free[/\x1b[2J")
        keys = next(number for number, row in enumerate(question.rows) if "ctrl+s submit" in row)
        assert r"nothing [red]free[/\x1b[2J" in question.rows[keys - 1]
        assert question.app.question.entered["env"] == "A=1"
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)


async def test_it_says_that_it_is_submitting_and_submits_once(ask: Any) -> None:
    far = Slow()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("ctrl+s", "ctrl+s")
        await question.shows("submitting…")
        await question.press("ctrl+s")
        far.answer.set()
        await question.until(lambda: question.answers)
    assert far.calls == 1


async def test_esc_stops_waiting_for_an_answer_and_keeps_the_form(ask: Any) -> None:
    far = Slow()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("ctrl+s")
        await question.until(lambda: far.calls)
        await question.press("escape")
        await question.shows("Stopped waiting. It may have been done all the same")
        assert question.answers == []
        far.answer.set()
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    assert far.calls == 2


async def test_closing_keeps_what_was_typed_for_the_next_time(ask: Any) -> None:
    form = SubmitForm(CONTEXTS, FarSide().submit)
    async with ask(form) as question:
        await question.type("llama")
        await question.press("tab")
        await question.type("echo 1\n")
        await question.press("escape")
        assert question.answers == [None]
    again = SubmitForm(CONTEXTS, FarSide().submit, draft=form.draft, preset={"gpu": "a100"})
    async with ask(again) as question:
        entered = again.entered
    assert (entered["name"], entered["command"], entered["gpu"]) == ("llama", "echo 1\n", "a100")


async def test_nothing_is_kept_of_a_task_that_was_submitted(ask: Any) -> None:
    form = SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})
    async with ask(form) as question:
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    assert form.draft == {}


async def test_a_foreign_command_is_drawn_harmless_and_submitted_exactly(ask: Any) -> None:
    command = "printf '\x1b[2J[red]x[/'\n\tnext"
    far = FarSide()
    preset = {"command": command, "volumes": "[red]a[/\x1b[2J"}
    async with ask(SubmitForm(("[red]c[/\x1b[2J",), far.submit, preset=preset)) as question:
        assert "printf '␛[2J[red]x[/'" in question.text
        assert "[red]a[/␛[2J" in question.text
        assert "[red]c[/␛[2J" in question.text
        assert "\x1b" not in question.text
        question.app.screen.query_one(".-env").focus()
        for field in question.app.screen.query(Field):
            if field.key == "volumes":
                field.control.value = ""
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].command == command


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_every_field_and_its_complaint_can_be_seen_at_any_size(ask: Any, size: tuple[int, int]) -> None:
    far = FarSide(ConfigError("much too long", field="max_run_time_hours"))
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"}), size=size) as question:
        for field in question.app.screen.query(Field):
            field.control.focus()
            await question.pilot.pause()
            await question.until(lambda field=field: field.control.region in question.app.screen.scrolled.region)
            assert "ctrl+s submit" in question.text
            assert "esc close" in question.text
        question.app.screen.query(Field).first().control.focus()
        await question.press("ctrl+s")
        await question.shows("much too long")
        assert "ctrl+s submit" in question.text


async def test_what_was_typed_last_is_submitted_too(ask: Any) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit)) as question:
        await question.press("tab")
        await question.type("echo hello\x13")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].command == "echo hello"


def test_the_form_does_not_load_pydantic_before_it_submits() -> None:
    script = "import sys, flow_tui.dialogs.submit.submit_form; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
