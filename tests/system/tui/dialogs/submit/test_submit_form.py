"""The submit form: keys, where complaints land, and that nothing typed is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from testbed.far_side import CONTEXTS, FarSide

from flow_core.client.task import AsyncTask
from flow_core.errors import CapacityError, ConfigError
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


async def test_tab_goes_through_every_field_and_all_of_them_are_submitted(ask: Any) -> None:
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
        await question.press("form.send")
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


async def test_every_way_to_submit_does(ask: Any) -> None:
    ways = ("ctrl+s", "alt+enter", "legacy alt+enter", "legacy in a line", "legacy in a choice", "button", "click")
    far = FarSide(*[CapacityError(f"refused: {way}") for way in ways])
    form = SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})
    async with ask(form) as question:
        for way in ways:
            (field,) = (field for field in question.app.screen.query(Field) if field.key == _FOCUS.get(way, "command"))
            field.control.focus()
            await question.pilot.pause()
            if way.startswith("legacy"):
                await question.type("\x1b\r")
            elif way == "button":
                await question.press(*["shift+tab"] * 3, "enter")
            elif way == "click":
                await question.pilot.click(".-send")
            else:
                await question.press(way)
            await question.shows(f"refused: {way}")
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert [config.command for _, config in far.taken] == ["true"]
    assert form.draft == {}  # nothing is kept of a task that was submitted


_FOCUS = {"legacy in a line": "name", "legacy in a choice": "context"}


async def test_enter_in_a_line_moves_on_and_does_not_submit(ask: Any) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("enter")
        assert question.app.focused.has_class("-command")
        await question.press("tab", "enter", "enter")
        assert question.app.focused.has_class("-env")
        assert far.taken == []


async def test_what_is_wrong_is_said_under_its_field(ask: Any) -> None:
    far = FarSide()
    sound = {"name": "", "command": "true", "env": "", "volumes": "", "max_run_hours": "", "gpu": "", "rest": "{}"}
    async with ask(SubmitForm(CONTEXTS, far.submit, preset=sound)) as question:
        for key, wrong, expected in (
            ("command", "", "must not be empty; enter a command or a script"),
            ("name", "Bad Name", "must be at most 128"),
            ("env", "nonsense", "line 1 is not NAME=value"),
            ("volumes", "data:x", "'data:x': 'x' must be an absolute path"),
            ("max_run_hours", "soon", "enter hours, such as 12"),
            ("gpu", "4 a100", "'4 a100' is no GPU request; did you mean 4xa100?"),
            ("rest", "{", "enter a JSON object"),
            ("rest", '{"ports": [80]}', "ports.0: "),
        ):
            for field in question.app.screen.query(Field):
                if field.key in sound:
                    field.fill(wrong if field.key == key else sound[field.key])
            await question.press("form.send")
            await question.shows(expected)
            assert row_under(question, key).startswith(expected)
            assert question.app.focused.parent.parent.key == key
        assert far.taken == []


async def test_what_the_provider_refuses_is_said_under_its_field_until_it_is_changed(ask: Any) -> None:
    fields = ("instance_type", "gpu")
    far = FarSide(*(ConfigError(f"{field}: no 9xB300 [red]here[/\x1b[2J", field=field) for field in fields))
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true", "gpu": "9xb300"})) as question:
        for _ in fields:
            await question.press("form.send")
            await question.shows("no 9xB300 [red]here[/␛[2J")
            assert row_under(question, "gpu") == "no 9xB300 [red]here[/␛[2J"
            await question.press("backspace")
            assert "no 9xB300" not in question.text
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].instance_type == "9xb3"


async def test_what_no_field_is_to_blame_for_is_said_above_the_keys(ask: Any) -> None:
    refusals = (
        CapacityError("no capacity [red]here[/\x1b[2J"),
        ConfigError("not so many [red]here[/\x1b[2J", field="num_instances"),
        ConfigError("nothing [red]here[/\x1b[2J"),
    )
    far = FarSide(*refusals)
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true", "env": "A=1"})) as question:
        for refusal in refusals:
            expected = str(refusal).replace("\x1b", r"\x1b")
            await question.press("form.send")
            await question.shows(expected)
            keys = next(number for number, row in enumerate(question.rows) if "ctrl+s submit" in row)
            assert expected in question.rows[keys - 1]
            assert question.app.question.entered["env"] == "A=1"
        await question.press("form.send")
        await question.until(lambda: question.answers)


async def test_it_says_that_it_is_submitting_and_submits_once(ask: Any) -> None:
    far = Slow()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("form.send", "form.send")
        await question.shows("submitting…")
        await question.press("form.send")
        far.answer.set()
        await question.until(lambda: question.answers)
    assert far.calls == 1


async def test_esc_stops_waiting_for_an_answer_and_keeps_the_form(ask: Any) -> None:
    far = Slow()
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        await question.press("form.send")
        await question.until(lambda: far.calls)
        await question.press("escape")
        await question.shows("You stopped waiting. The request may have been")
        assert question.answers == []
        far.answer.set()
        await question.press("form.send")
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
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].command == command


async def test_every_field_and_its_complaint_can_be_seen_at_any_size(ask: Any) -> None:
    sizes = ((80, 24), (60, 15))
    far = FarSide(*(ConfigError(f"much too long at {size}", field="max_run_time_hours") for size in sizes))
    async with ask(SubmitForm(CONTEXTS, far.submit, preset={"command": "true"})) as question:
        for size in sizes:
            await question.pilot.resize_terminal(*size)
            for field in question.app.screen.query(Field):
                field.control.focus()
                await question.pilot.pause()
                await question.until(lambda field=field: field.control.region in question.app.screen.scrolled.region)
                await question.shows("ctrl+s submit")
                assert "esc close" in question.text
            question.app.screen.query(Field).first().control.focus()
            await question.press("form.send")
            await question.shows(f"much too long at {size}")
            assert "ctrl+s submit" in question.text


async def test_what_was_typed_last_is_submitted_too(ask: Any) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit)) as question:
        await question.press("tab")
        await question.type("echo hello\x13")
        await question.until(lambda: question.answers)
    assert far.taken[0][1].command == "echo hello"


async def test_a_slurm_script_needs_a_slurm_context(ask: Any, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(text := "#!/bin/bash\n#SBATCH --gpus=1\nsrun train\n", encoding="utf-8")
    far = FarSide()
    form = SubmitForm(CONTEXTS, far.submit, slurm=["lab"])
    async with ask(form, size=(100, 30)) as question:
        fields = {field.key: field for field in question.app.screen.query(Field)}
        for command in (text, str(script), f"sbatch -n 2 {script}", "sbatch nowhere.sh"):
            fields["command"].fill(command)
            await question.until(lambda: not fields["command"].problem)
            await question.press("form.send")
            await question.until(lambda: "needs a context whose provider is slurm" in fields["command"].problem)
            assert far.taken == []
        fields["context"].control.action_turn(1)
        await question.press("form.send")
        await question.until(lambda: question.answers)
    assert far.taken[0][0] == "lab"


async def test_the_name_of_a_task_file_is_no_command(ask: Any, tmp_path: Path) -> None:
    far = FarSide()
    async with ask(SubmitForm(CONTEXTS, far.submit), size=(100, 30)) as question:
        fields = {field.key: field for field in question.app.screen.query(Field)}
        for name, text, expected in (
            ("a", "run: python train.py\n", "is a SkyPilot task, which flow does not read; write command for run"),
            ("b", "command: train.py\n", "is a task file and no command; ctrl+e opens this form as YAML"),
        ):
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
            fields["command"].fill(str(tmp_path / f"{name}.yaml"))
            await question.press("form.send")
            await question.until(lambda expected=expected: expected in fields["command"].problem)
    assert far.taken == []


def test_every_field_of_a_config_has_a_place_for_its_complaint() -> None:
    assert set(TaskConfig.model_fields) <= SubmitForm.FIELD_OF.keys()
