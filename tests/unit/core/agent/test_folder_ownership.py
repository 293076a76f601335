"""A state directory in which somebody else could replace what we run is refused, in a sentence that says what to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testbed.tables import each

from flow_core.agent.agent_copy import get_agent_name, provide_copy
from flow_core.agent.folder_ownership import UnsafeFolder, check_folders
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.refusals import Refused
from flow_core.config import Context
from flow_core.errors import ProviderError
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider
from flow_core.providers.over_agent.refusals import to_error

OTHER = 54321

FOLDERS = {
    "a parent": "..",
    "the state directory": ".",
    "local": "local",
    "the machine's": "local/M",
    "the programs'": "local/M/bin",
    "a program's": "local/M/bin/A",
    "a program's package": "local/M/bin/A/flow_core/agent/supervisor",
    "GPUs": "local/M/gpus",
    "the context's": "local/M/contexts/local",
    "tasks": "local/M/contexts/local/tasks",
}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ours, with all there is below, in a folder of its own."""
    state = tmp_path / "shared" / "state"
    monkeypatch.setenv("FLOW_STATE_DIR", str(state))
    layout = Layout(state / "local" / get_machine_id(), "local")
    layout.make()
    provide_copy(layout.root)
    (tmp_path / "shared").chmod(0o755)
    LocalProvider(Context("local", "local"))
    return state


def _folder(state: Path, which: str) -> Path:
    names = {"M": get_machine_id(), "A": get_agent_name()}
    parts = [names.get(part, part) for part in FOLDERS[which].split("/")]
    return Path(os.path.normpath(state.joinpath(*parts)))


def _refusal(state: Path) -> str:
    """What the user is told: at once, or where a program is to be started."""
    with pytest.raises(ProviderError) as refused:
        _use(state)
    return str(refused.value)


def _use(state: Path) -> None:
    LocalProvider(Context("local", "local"))
    try:
        provide_copy(state / "local" / get_machine_id())
    except Refused as refused:
        raise to_error(refused) from None


@contextmanager
def _changed(folder: Path, mode: int | None = None, user: int = -1, group: int = -1) -> Iterator[None]:
    before = folder.stat()
    if mode is not None:
        folder.chmod(mode)
    os.chown(folder, user, group)
    try:
        yield
    finally:
        os.chown(folder, before.st_uid, before.st_gid)
        folder.chmod(stat.S_IMODE(before.st_mode))


@each("which", FOLDERS)
def test_a_folder_that_others_can_write_to_is_refused(state, which):
    folder = _folder(state, which)
    with _changed(folder, 0o757):
        _check_others_can_write(state, folder)


@pytest.mark.needs("root")
@each("which", FOLDERS)
def test_a_folder_that_a_group_can_write_to_is_refused(state, which):
    folder = _folder(state, which)
    with _changed(folder, 0o775, group=OTHER):
        _check_others_can_write(state, folder)


def _check_others_can_write(state: Path, folder: Path) -> None:
    message = _refusal(state)
    assert f"others can write to '{folder}'" in message
    is_program = folder.name == "bin" or folder.parent.name == "bin"
    assert (" remove it" if is_program else f"chmod go-w {folder}") in message
    assert "FLOW_STATE_DIR" in message


@pytest.mark.needs("root")
@each("which", FOLDERS)
def test_a_folder_of_another_user_is_refused(state, which):
    folder = _folder(state, which)
    with _changed(folder, user=OTHER):
        message = _refusal(state)
    assert f"'{folder}' belongs to user {OTHER}, not to you" in message
    assert "choose another state directory with FLOW_STATE_DIR" in message


def test_on_the_way_a_sticky_folder_is_safe_and_below_the_state_directory_it_is_not(state):
    state.parent.chmod(0o1777)
    LocalProvider(Context("local", "local"))
    _folder(state, "the programs'").chmod(0o1777)
    assert "others can write to" in _refusal(state)


def test_a_link_is_as_safe_as_where_it_leads_and_the_way_there(state, tmp_path):
    elsewhere = tmp_path / "open" / "gpus"
    make_private_folder(elsewhere)
    gpus = _folder(state, "GPUs")
    gpus.rmdir()
    gpus.symlink_to(elsewhere)
    LocalProvider(Context("local", "local"))
    (tmp_path / "open").chmod(0o777)
    assert f"others can write to '{tmp_path / 'open'}'" in _refusal(state)


@pytest.mark.needs("root")
def test_a_link_of_another_user_on_the_way_is_refused(state, tmp_path, monkeypatch):
    link = tmp_path / "link"
    link.symlink_to(state)
    monkeypatch.setenv("FLOW_STATE_DIR", str(link))
    LocalProvider(Context("local", "local"))
    os.lchown(link, OTHER, -1)
    assert f"'{link}' belongs to user {OTHER}" in _refusal(state)


@pytest.mark.needs("root")
async def test_who_made_the_programs_folder_first_runs_nothing_as_us(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.delenv("FLOW_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(shared))
    monkeypatch.chdir(tmp_path)
    provider = LocalProvider(Context("local", "local"))
    bin_ = shared / "flow" / "local" / get_machine_id() / "bin"
    bin_.mkdir(parents=True)
    for folder in (bin_, *list(bin_.parents)[:3]):
        folder.chmod(0o777)
        os.chown(folder, OTHER, OTHER)
    with pytest.raises(ProviderError, match=f"belongs to user {OTHER}"):
        await provider.submit(TaskConfig.parse({"command": "true"}))
    assert not list(bin_.iterdir())


@pytest.mark.needs("root")
def test_a_file_of_another_user_in_a_copy_is_made_anew(state):
    home = provide_copy(state / "local" / get_machine_id())
    main = home / "flow_core" / "agent" / "supervisor" / "main.py"
    before = main.read_bytes()
    main.write_bytes(b"#" * len(before))
    os.chown(main, OTHER, -1)
    assert (provide_copy(state / "local" / get_machine_id()) / main.relative_to(home)).read_bytes() == before


def test_our_own_group_is_nobody_else(tmp_path, monkeypatch):
    make_private_folder(tmp_path / "local" / "machine")
    (tmp_path / "local" / "machine").chmod(0o770)
    os.chown(tmp_path / "local" / "machine", -1, os.getgid())
    try:
        check_folders(tmp_path / "local" / "machine")
    except UnsafeFolder:
        pytest.skip("this user shares its group with others")
