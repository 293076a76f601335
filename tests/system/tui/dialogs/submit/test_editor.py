"""The submit form's task in the editor: what fills the form, what is refused, and that no text is ever lost."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from testbed.editor import FakeEditor
from testbed.far_side import CONTEXTS, FarSide
from textual.drivers import headless_driver

from flow_core.config import state_dir
from flow_core.models.task_config import TaskConfig
from flow_tui.dialogs.field import Field
from flow_tui.dialogs.submit.submit_form import SubmitForm

AGAIN = "ctrl+e opens the text again"


class Terminal(headless_driver.HeadlessDriver):
    """One that can be given away; remembers how often it was, and taken back."""

    changes: list[str] = []

    @property
    def can_suspend(self) -> bool:
        return True

    def suspend_application_mode(self) -> None:
        self.changes.append("given")

    def resume_application_mode(self) -> None:
        self.changes.append("taken back")


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEditor:
    editor = FakeEditor(tmp_path)
    Terminal.changes = []
    monkeypatch.setattr(headless_driver, "HeadlessDriver", Terminal)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", shlex.quote(str(editor.path)) + " --wait 'two words'")
    return editor


async def open_editor(question: Any, editor: FakeEditor, key: str = "submit.edit") -> None:
    """Opens the editor and returns when the terminal is back."""
    before = len(Terminal.changes)
    await question.press(key)
    await question.until(lambda: len(Terminal.changes) == before + 2)
    await question.until(lambda: not [worker for worker in question.app.workers if worker.group == "edit"])


async def test_what_was_written_fills_the_form_and_is_submitted_exactly(ask: Any, editor: FakeEditor) -> None:
    editor.does("write(text.replace('name: first', 'name: second') + 'num_instances: 2\\nimage: a/b:1\\n')")
    far = FarSide()
    preset = {"name": "first", "command": "echo 1\necho 2", "env": "A= x=1 ", "volumes": "data:/d"}
    async with ask(SubmitForm(CONTEXTS, far.submit, preset=preset), size=(100, 30)) as question:
        await open_editor(question, editor, "f4")
        await question.shows('{"num_instances": 2, "image": "a/b:1"}')
        assert question.app.question.entered["name"] == "second"
        await question.press("form.send")
        await question.until(lambda: question.answers)
    given = editor.seen[0]
    assert given["arguments"] == ["--wait", "two words"]
    assert "Context: local" in given["text"]
    assert TaskConfig.from_yaml_text(given["text"]).env == {"A": " x=1 "}
    assert far.taken[0][1] == TaskConfig.parse(
        {
            "name": "second",
            "unique_name": False,
            "command": "echo 1\necho 2",
            "env": {"A": " x=1 "},
            "volumes": [{"name": "data", "mount_path": "/d"}],
            "instance_type": "cpu",
            "num_instances": 2,
            "image": "a/b:1",
        }
    )


async def test_what_no_longer_needs_the_table_takes_it_away(ask: Any, editor: FakeEditor) -> None:
    editor.does("write('command: ls\\ninstance_type: a100\\n')")
    preset = {"command": "true", "gpu": "", "rest": '{"ports": [8080]}'}
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset=preset)) as question:
        await open_editor(question, editor)
        await question.until(lambda: "rest" not in question.app.question.entered)
        assert (question.app.question.entered["command"], question.app.question.entered["gpu"]) == ("ls", "a100")


@pytest.mark.filterwarnings("ignore:TaskConfig. placement")
async def test_fields_that_mean_nothing_here_are_named(ask: Any, editor: FakeEditor) -> None:
    editor.does("write('command: ls\\nplacement: auto\\nweb_endpoint: true\\n')")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await open_editor(question, editor)
        await question.until(lambda: len(question.app._notifications))
        (notice,) = question.app._notifications
        assert notice.message == "ignored, without meaning here: placement, web_endpoint"
        assert question.app.question.entered["command"] == "ls"


async def test_a_text_that_is_refused_is_opened_again_as_it_was_left(ask: Any, editor: FakeEditor) -> None:
    editor.does("write('# mine\\ncommand: ls\\nnum_instances: none\\n')")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await open_editor(question, editor)
        await question.shows("task.yaml:3: num_instances: ")
        assert AGAIN in question.app.question.problem.text
        assert question.app.question.entered["command"] == "true"
        editor.does("write(text.replace('none', '1'))")
        await open_editor(question, editor)
        assert editor.seen[1]["text"] == "# mine\ncommand: ls\nnum_instances: none\n"
        await question.until(lambda: question.app.question.entered["command"] == "ls")
        assert question.app.question.problem is None
        await open_editor(question, editor)
        assert editor.seen[2]["text"].startswith("# mine\n")


async def test_a_refused_text_outlives_the_form_that_was_closed(ask: Any, editor: FakeEditor) -> None:
    editor.does("write('command: [\\n')")
    form = SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})
    async with ask(form) as question:
        await open_editor(question, editor)
        await question.shows("is not valid YAML")
        await question.press("escape")
    again = SubmitForm(CONTEXTS, FarSide().submit, draft=form.draft)
    async with ask(again) as question:
        await open_editor(question, editor)
        await question.press("escape")
    assert editor.seen[1]["text"] == "command: [\n"
    assert again.draft == form.draft


async def test_a_text_left_as_it_was_or_emptied_or_taken_away_changes_nothing(ask: Any, editor: FakeEditor) -> None:
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        before = question.app.question.entered
        for body in ("", "write('  \\n')", "file.unlink()"):
            editor.does(body)
            await open_editor(question, editor)
            assert question.app.question.entered == before
            assert question.app.question.problem is None


async def test_an_editor_that_fails_leaves_the_form_and_its_text_is_kept(ask: Any, editor: FakeEditor) -> None:
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        for body, expected in (
            ("write('command: ls\\n'); sys.exit(3)", "exit code 3"),
            ("write('command: ls'); os.kill(os.getpid(), 9)", "-9"),
        ):
            editor.does(body)
            await open_editor(question, editor)
            await question.shows(expected)
            assert question.app.question.entered["command"] == "true"
        editor.does("write(text + '\\nports: [8080]\\n')")
        await open_editor(question, editor)
        await question.until(lambda: question.app.question.entered["command"] == "ls")
    assert not Path(editor.seen[0]["path"]).parent.exists()


async def test_only_the_owner_can_read_the_text_and_nothing_of_it_stays(ask: Any, editor: FakeEditor) -> None:
    editor.does("write(text + '#')\nfile.with_name('task.yaml~').write_text(text)")
    preset = {"command": "true", "env": "TOKEN=hunter2"}
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset=preset)) as question:
        await open_editor(question, editor)
    given = editor.seen[0]
    assert "hunter2" in given["text"]
    assert given["modes"] == [0o600, 0o700]
    assert Path(given["path"]).is_relative_to(os.environ["FLOW_STATE_DIR"])
    assert list((Path(os.environ["FLOW_STATE_DIR"]) / "edits").iterdir()) == []


async def test_what_a_killed_dashboard_left_of_an_editor_is_taken_away(
    ask: Any, editor: FakeEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    edits = state_dir() / "edits"
    dead, living, elsewhere = (edits / name for name in (f"here-{ended.pid}-x", f"here-{os.getppid()}-x", "there-1-x"))
    for folder in (dead, living, elsewhere):
        folder.mkdir(parents=True)
    monkeypatch.setattr(platform, "node", lambda: "here")
    editor.does("pass")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit)) as question:
        await open_editor(question, editor)
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()


async def test_what_is_no_config_yet_is_given_as_it_was_typed_with_the_complaint(ask: Any, editor: FakeEditor) -> None:
    preset = {"command": "", "gpu": "4 a100", "env": "nonsense"}
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset=preset)) as question:
        await open_editor(question, editor)
    text = editor.seen[0]["text"]
    assert "# Not a task yet: line 1 is not NAME=value" in text
    assert "instance_type: 4 a100\n" in text
    assert "env: nonsense\n" in text


async def test_an_editor_that_ends_at_once_is_told_of(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headless_driver, "HeadlessDriver", Terminal)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        for program, expected in (("true", "Your editor returned at once"), ("false", "false ended with exit")):
            monkeypatch.setenv("VISUAL", program)
            await question.press("submit.edit")
            await question.until(
                lambda text=expected: any(notice.message.startswith(text) for notice in question.app._notifications)
            )


async def test_the_comment_names_the_context_that_is_chosen_now(ask: Any, editor: FakeEditor) -> None:
    editor.does("write(text + '# mine\\n')")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await open_editor(question, editor)
        next(field for field in question.app.screen.query(Field) if field.key == "context").control.action_turn(1)
        await open_editor(question, editor)
    assert "# Context: local;" in editor.seen[0]["text"]
    assert "# Context: lab;" in editor.seen[1]["text"]
    assert "# mine" in editor.seen[1]["text"]


async def test_it_can_open_in_the_editor_at_once(ask: Any, editor: FakeEditor) -> None:
    editor.does("write('command: ls')")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, in_editor=True)) as question:
        await question.until(lambda: question.app.question.entered["command"] == "ls")


async def test_bytes_that_are_no_text_are_refused_and_kept(ask: Any, editor: FakeEditor) -> None:
    editor.does("file.write_bytes(b'command: caf\\xe9\\n')")
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await open_editor(question, editor)
        await question.shows("is not valid YAML")
        editor.does("file.write_bytes(file.read_bytes().replace(b'\\xe9', b'e'))")
        await open_editor(question, editor)
        await question.until(lambda: question.app.question.entered["command"] == "cafe")
