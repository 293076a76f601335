"""The dashboard's own settings of the config file: each part that can't be used is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tables import each
from testbed.tui.dashboard import notices, opened
from testbed.waiting import until

from flow_core.config_file import load_config
from flow_core.errors import ReadOnly
from flow_tui.own_settings import OwnSettings, explain_unlock, read_own_settings

THEMES = ("flow-dark", "flow-light")


def settings(folder: Path, text: str) -> OwnSettings:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return read_own_settings(load_config(file), THEMES)


def problems(folder: Path, text: str) -> list[str]:
    """Without the folder."""
    return [str(problem).removeprefix(f"{folder}/") for problem in settings(folder, text).problems]


def test_sound_settings_are_read(tmp_path: Path) -> None:
    own = settings(
        tmp_path,
        "dashboard:\n"
        "  theme: flow-light\n"
        "  read_only: true\n"
        "  shell_release: ctrl+\\\n"
        '  keys: {tasks.cancel: "^x, F5", app.help: "?,f2", logs.follow: 7, tasks.logs: pgdn, tasks.page_down: v}\n',
    )
    assert own.problems == ()
    assert (own.theme, own.read_only, own.release_key) == ("flow-light", True, "ctrl+backslash")
    assert own.keys["tasks.cancel"] == ("ctrl+x", "f5")
    assert own.keys["app.help"] == ("question_mark", "f2")
    assert own.keys["logs.follow"] == ("7",)
    assert own.keys["tasks.logs"] == ("pagedown",)


def test_no_settings_are_the_defaults(tmp_path: Path) -> None:
    own = settings(tmp_path, "default: local\n")
    assert own == OwnSettings("flow-dark", False, "ctrl+right_square_bracket", {}, ())


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("colour: red", "dashboard.colour: is not a setting of the dashboard; known are: theme, read_only"),
        (
            "theme: flow-lite",
            "dashboard.theme: there is no theme 'flow-lite'; did you mean flow-light? Using",
        ),
        ("theme: 7", "dashboard.theme: there is no theme 7; there are: flow-dark, flow-light. Using"),
        ("read_only: perhaps", "dashboard.read_only: must be true or false"),
        ("shell_release: ctrl+leave", "dashboard.shell_release: 'ctrl+leave' is not a key"),
        ("shell_release: 3", "dashboard.shell_release: 3 is not a key"),
        ("keys: x", "dashboard.keys: must be a table of action ids and keys"),
        ("keys: {tasks.cansel: x}", "dashboard.keys.tasks.cansel: there is no action 'tasks.cansel'; did you mean"),
        ("keys: {fly: x}", "dashboard.keys.fly: there is no action 'fly'"),
        ("keys: {tasks.cancel: control-x}", "dashboard.keys.tasks.cancel: 'control-x' is not a key"),
        ("keys: {tasks.cancel: }", "dashboard.keys.tasks.cancel: None is not a key"),
        ("keys: {tasks.cancel: [x]}", "dashboard.keys.tasks.cancel: ['x'] is not a key"),
        ("keys: {tasks.cancel: 'x,'}", "dashboard.keys.tasks.cancel: 'x,' is not a key"),
        ("keys: {tasks.cancel: ctrl+c}", "dashboard.keys.tasks.cancel: ctrl+c, pressed twice, always quits"),
        ("keys: {tasks.cancel: s}", "dashboard.keys.tasks.cancel: s is already the key of tasks.shell"),
        ("keys: {tasks.cancel: q}", "dashboard.keys.tasks.cancel: q is already the key of app.quit"),
        ("keys: {app.zoom: s}", "dashboard.keys.app.zoom: s is already the key of tasks.shell"),
    ],
)
def test_a_part_that_can_not_be_used_is_named_with_its_line(tmp_path: Path, setting: str, reason: str) -> None:
    (problem,) = problems(tmp_path, f"default: local\n\ndashboard:\n  {setting}\n")
    assert problem.startswith(f"config.yaml:4: {reason}")


def test_each_of_several_keys_is_named_with_its_own_line(tmp_path: Path) -> None:
    found = problems(tmp_path, "dashboard:\n  keys:\n    tasks.fly: x\n    tasks.logs: nokey\n  colour: red\n")
    assert [problem.partition(": ")[0] for problem in found] == ["config.yaml:3", "config.yaml:4", "config.yaml:5"]


def test_two_actions_may_change_their_keys(tmp_path: Path) -> None:
    own = settings(tmp_path, "dashboard: {keys: {tasks.logs: s, tasks.shell: l}}")
    assert own.problems == ()
    assert own.keys == {"tasks.logs": ("s",), "tasks.shell": ("l",)}


def test_of_two_keys_of_the_user_that_are_the_same_the_later_one_is_refused(tmp_path: Path) -> None:
    own = settings(tmp_path, "dashboard: {keys: {tasks.logs: x, tasks.shell: x, volumes.users: x}}")
    (problem,) = own.problems
    assert "tasks.shell: x is already the key of tasks.logs" in str(problem)
    assert own.keys == {"tasks.logs": ("x",), "volumes.users": ("x",)}


def test_a_key_that_is_refused_gives_its_action_the_default_again(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "dashboard:\n  keys:\n    tasks.logs: s\n    tasks.shell: q\n    tasks.rerun: l\n    tasks.pause: r\n"
    )
    assert [problem.split(" is already")[0].split(": ", 1)[1] for problem in found] == [
        "dashboard.keys.tasks.logs: s",
        "dashboard.keys.tasks.shell: q",
        "dashboard.keys.tasks.rerun: l",
        "dashboard.keys.tasks.pause: r",
    ]


def test_what_can_not_be_read_as_read_only_changes_nothing(tmp_path: Path) -> None:
    assert settings(tmp_path, "dashboard: {read_only: 'yes'}").read_only


@each(
    ("by_option", "by_setting", "said"),
    [
        (True, False, "restart without --read-only"),
        (False, True, "set dashboard.read_only to false in the configuration and restart"),
        (True, True, "set dashboard.read_only to false in the configuration and restart without --read-only"),
    ],
)
def test_what_ends_read_only_mode_is_what_started_it(by_option: bool, by_setting: bool, said: str) -> None:
    assert explain_unlock(by_option=by_option, by_setting=by_setting) == said


@pytest.mark.parametrize(
    ("option", "where"), [(True, "restart without --read-only"), (False, "set dashboard.read_only")]
)
async def test_a_refused_key_and_a_refused_change_name_the_source_of_read_only(
    tmp_path: Path, option: bool, where: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("" if option else "dashboard: {read_only: true}", encoding="utf-8")
    async with opened(load_config(file), read_only=option) as (app, dashboard, _):
        dashboard.action_act("app.new_task")
        await until(lambda: any(where in notice for notice in notices(app)))
        with pytest.raises(ReadOnly, match=where):
            await app.fleet.flow("local").submit("true")
