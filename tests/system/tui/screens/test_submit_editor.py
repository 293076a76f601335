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
from flow_core.errors import FlowError
from flow_core.models.task_config import TaskConfig
from flow_tui.dialogs.field import Field
from flow_tui.dialogs.submit.editor import find_editor
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


async def open_editor(question: Any, editor: FakeEditor, key: str = "ctrl+e") -> None:
    """Presses the key and returns when the terminal is back."""
    before = len(Terminal.changes)
    await question.press(key)
    await question.until(lambda: len(Terminal.changes) == before + 2)
    await question.until(lambda: not [worker for worker in question.app.workers if worker.group == "edit"])


@pytest.mark.parametrize("key", ["ctrl+e", "f4"])
async def test_what_was_written_fills_the_form_and_is_submitted_exactly(ask: Any, editor: FakeEditor, key: str) -> None:
    editor.does("write(text.replace('name: first', 'name: second') + 'num_instances: 2\\nimage: a/b:1\\n')")
    far = FarSide()
    preset = {"name": "first", "command": "echo 1\necho 2", "env": "A= x=1 ", "volumes": "data:/d"}
    async with ask(SubmitForm(CONTEXTS, far.submit, preset=preset), size=(100, 30)) as question:
        await open_editor(question, editor, key)
        await question.shows('{"num_instances": 2, "image": "a/b:1"}')
        assert question.app.question.entered["name"] == "second"
        await question.press("ctrl+s")
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


@pytest.mark.parametrize("body", ["", "write('  \\n')", "file.unlink()"])
async def test_a_text_left_as_it_was_or_emptied_or_taken_away_changes_nothing(
    ask: Any, editor: FakeEditor, body: str
) -> None:
    editor.does(body)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        before = question.app.question.entered
        await open_editor(question, editor)
        assert question.app.question.entered == before
        assert question.app.question.problem is None


@pytest.mark.parametrize(
    ("body", "said"),
    [("write('command: ls\\n'); sys.exit(3)", "exit code 3"), ("write('command: ls'); os.kill(os.getpid(), 9)", "-9")],
)
async def test_an_editor_that_fails_leaves_the_form_and_its_text_is_kept(
    ask: Any, editor: FakeEditor, body: str, said: str
) -> None:
    editor.does(body)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await open_editor(question, editor)
        await question.shows(said)
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


@pytest.mark.parametrize(
    ("program", "said"), [("true", "Your editor returned at once"), ("false", "false ended with exit")]
)
async def test_an_editor_that_ends_at_once_is_told_of(
    ask: Any, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    monkeypatch.setattr(headless_driver, "HeadlessDriver", Terminal)
    monkeypatch.setenv("VISUAL", program)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await question.press("ctrl+e")
        await question.until(lambda: len(question.app._notifications))
        assert next(iter(question.app._notifications)).message.startswith(said)


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


async def test_without_a_terminal_or_an_editor_one_sentence_says_so(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("VISUAL", "true"), ("EDITOR", "true")):
        monkeypatch.setenv(name, value)
    async with ask(SubmitForm(CONTEXTS, FarSide().submit, preset={"command": "true"})) as question:
        await question.press("ctrl+e")
        await question.shows("an editor needs a terminal")
        monkeypatch.setenv("VISUAL", "no-such-editor --wait")
        await question.press("ctrl+e")
        await question.shows("$VISUAL names 'no-such-editor', which is not to be found")


def test_the_editor_is_the_users_else_the_first_there_is(tmp_path: Path) -> None:
    for name in ("nano", "vi", "code"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    here = {"PATH": str(tmp_path)}
    assert find_editor(here | {"VISUAL": "code --wait", "EDITOR": "vi"}) == ["code", "--wait"]
    assert find_editor(here | {"VISUAL": " ", "EDITOR": "vi"}) == ["vi"]
    assert find_editor(here) == ["nano"] or find_editor(here)[0].endswith("/nano")
    (tmp_path / "nano").unlink()
    assert find_editor(here) == ["vi"]
    (tmp_path / "vi").unlink()
    for environment, said in (({}, "there is no editor"), ({"EDITOR": "'vi"}, r"\$EDITOR can't be read: no closing")):
        with pytest.raises(FlowError, match=said):
            find_editor(here | environment)


SCRIPT = "#!/bin/bash\n#SBATCH --gpus=1\nsrun train\n"


@pytest.mark.parametrize("how", ["text", "path", "sbatch", "sbatch of nothing"])
async def test_a_slurm_script_needs_a_slurm_context(ask: Any, tmp_path: Path, how: str) -> None:
    script = tmp_path / "job.sh"
    script.write_text(SCRIPT, encoding="utf-8")
    command = {"text": SCRIPT, "path": str(script), "sbatch": f"sbatch -n 2 {script}"}.get(how, "sbatch nowhere.sh")
    far = FarSide()
    form = SubmitForm(CONTEXTS, far.submit, preset={"command": command}, slurm=["lab"])
    async with ask(form, size=(100, 30)) as question:
        fields = {field.key: field for field in question.app.screen.query(Field)}
        await question.press("ctrl+s")
        await question.until(lambda: "needs a context whose provider is slurm" in fields["command"].problem)
        assert far.taken == []
        fields["context"].control.action_turn(1)
        await question.press("ctrl+s")
        await question.until(lambda: question.answers)
    assert far.taken[0][0] == "lab"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run: python train.py\nenvs: {A: 1}\n", "is a SkyPilot task, which flow does not read; write command for run"),
        ("command: python train.py\n", "is a task file and no command; ctrl+e opens this form as YAML"),
    ],
)
async def test_the_name_of_a_task_file_is_no_command(ask: Any, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    far = FarSide()
    form = SubmitForm(CONTEXTS, far.submit, preset={"command": str(tmp_path / "task.yaml")})
    async with ask(form, size=(100, 30)) as question:
        fields = {field.key: field for field in question.app.screen.query(Field)}
        await question.press("ctrl+s")
        await question.until(lambda: said in fields["command"].problem)
    assert far.taken == []


def test_every_field_of_a_config_has_a_place_for_its_complaint() -> None:
    assert set(TaskConfig.model_fields) <= SubmitForm.FIELD_OF.keys()
