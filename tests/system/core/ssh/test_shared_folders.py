"""Uploads into folders that other users of the host can see or write to."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from testbed.sshd import Sshd

from flow_core.errors import Conflict
from flow_core.ssh.host import SshHost
from flow_core.upload.destination import UploadDestination
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.source import SourceEntry

pytestmark = pytest.mark.needs("sshd")
STRANGER = 12345
SIZE = 9 << 20
Place = Callable[[Path], UploadDestination]


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


@pytest.fixture(params=["sftp", "local"])
def place(request: pytest.FixtureRequest, host: SshHost) -> Place:
    """Makes a destination of each kind from a path."""
    if request.param == "local":
        return LocalFolder
    return lambda path: host.folder(str(path))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "secret").write_bytes(bytes(SIZE))
    (folder / "secret").chmod(0o600)
    return folder


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def modes(folder: Path, pattern: str) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.glob(pattern)}


async def test_a_file_on_its_way_is_for_nobody_elses_eyes(place: Place, source: Path, tmp_path: Path) -> None:
    there, seen = place(tmp_path / "there"), set[int]()
    await there.open()
    for mode in (0o600, 0o644):
        (source / "secret").chmod(mode)
        entry = SourceEntry("secret", SIZE, 0, mode)
        await there.put(source / "secret", entry, lambda _: seen.update(modes(tmp_path / "there", ".flow-sync*part")))
        assert modes(tmp_path / "there", "secret") == {mode}
    await there.close()
    assert seen == {0o600}


async def test_the_record_of_an_upload_is_for_nobody_elses_eyes(place: Place, source: Path, tmp_path: Path) -> None:
    await upload(source, place(tmp_path / "there"))
    assert modes(tmp_path / "there", ".flow-sync.json") == {0o600}


async def test_a_single_file_on_its_way_up_is_for_nobody_elses_eyes(host: SshHost, source: Path, shared: Path) -> None:
    seen = set[int]()
    (source / "secret").chmod(0o644)
    await host.files.upload(source / "secret", f"{shared}/file", lambda *_: seen.update(modes(shared, ".file.*.part")))
    assert (seen, modes(shared, "file")) == ({0o600}, {0o644})


async def test_a_single_file_on_its_way_down_is_read_by_no_more_people_than_may_read_it_there(
    host: SshHost, source: Path, tmp_path: Path
) -> None:
    seen = set[int]()
    await host.files.download(
        f"{source}/secret", tmp_path / "down", lambda *_: seen.update(modes(tmp_path, ".down.*.part"))
    )
    assert (seen, modes(tmp_path, "down")) == ({0o600}, {0o600})


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
async def test_something_else_in_the_place_of_the_lock_is_named_at_once(
    host: SshHost, source: Path, shared: Path, kind: str
) -> None:
    lock = shared / ".flow-sync.lock"
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: os.symlink("/dev/null", path)}
    make[kind](lock)
    began = time.monotonic()
    with pytest.raises(Conflict, match=r"\.flow-sync\.lock.*is not a lock file.*delete it"):
        await upload(source, host.folder(str(shared)))
    assert time.monotonic() - began < 30


@pytest.mark.needs("root")
@pytest.mark.parametrize("below", ["", "/deeper"])
async def test_the_link_of_another_user_in_a_shared_folder_is_not_followed(
    place: Place, source: Path, shared: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "victim").mkdir()
    (shared / "mine").symlink_to(tmp_path / "victim")
    os.chown(shared / "mine", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(Conflict, match="a link that another user made"):
        await upload(source, place(Path(f"{shared}/mine{below}")))
    assert list((tmp_path / "victim").iterdir()) == []


async def test_a_link_of_ones_own_is_followed(place: Place, source: Path, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (shared / "mine").symlink_to(tmp_path / "elsewhere")
    await upload(source, place(shared / "mine" / "it's new" / "deep er"))
    assert (tmp_path / "elsewhere" / "it's new" / "deep er" / "secret").exists()
