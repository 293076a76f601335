"""Files of a host, one by one and as a folder that is uploaded."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.sshd import Sshd

from flow_core.errors import ConfigError, Conflict, FlowError, NotFound
from flow_core.ssh.host import SshHost
from flow_core.upload.folder_upload import upload

pytestmark = pytest.mark.needs("sshd")
SIZE = 5_000_000


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


@pytest.fixture
def far(tmp_path: Path) -> Path:
    folder = tmp_path / "far side"
    folder.mkdir()
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(folder: Path) -> dict[str, object]:
    """Every path but ours, with what stands there."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and not path.name.startswith(".flow-sync.")
    }


async def test_a_file_goes_up_and_comes_down_whole_with_its_progress(host: SshHost, far: Path, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(SIZE))
    source.chmod(0o750)
    steps: list[tuple[int, int]] = []
    assert await host.files.upload(source, f"{far}/there", lambda done, total: steps.append((done, total))) == SIZE
    assert steps[-1] == (SIZE, SIZE)
    assert steps == sorted(steps)
    assert (far / "there").stat().st_mode & 0o777 == 0o750
    assert await host.files.download(f"{far}/there", back) == SIZE
    assert digest(source) == digest(far / "there") == digest(back)
    assert await host.files.size(f"{far}/there") == SIZE
    assert [path.name for path in far.iterdir()] == ["there"]


async def test_a_range_is_read_without_the_rest(host: SshHost, far: Path) -> None:
    data = os.urandom(1_000_000)
    (far / "file").write_bytes(data)
    assert await host.files.read(f"{far}/file", 999_990, 100) == data[999_990:]
    assert await host.files.read(f"{far}/file", 300_000, 400_000) == data[300_000:700_000]
    assert await host.files.read(f"{far}/file", 2_000_000, 10) == b""


async def test_an_existing_file_is_replaced_in_one_step_or_not_at_all(host: SshHost, far: Path, tmp_path: Path) -> None:
    (far / "file").write_bytes(b"old")
    source = tmp_path / "new"
    source.write_bytes(b"new")

    def fail(done: int, total: int) -> None:
        raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        await host.files.upload(source, f"{far}/file", fail)
    assert content(far) == {"file": b"old"}
    await host.files.upload(source, f"{far}/file")
    assert content(far) == {"file": b"new"}


async def test_missing_files_and_permissions_are_named(host: SshHost, far: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no '.*/nothing' on 'far'"):
        await host.files.download(f"{far}/nothing", tmp_path / "down")
    assert not (tmp_path / "down").exists()
    with pytest.raises(ConfigError):
        await host.files.upload(tmp_path / "nothing", f"{far}/x")
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(NotFound):
        await host.files.upload(tmp_path / "x", f"{far}/no/folder/x")
    with pytest.raises(FlowError):
        await host.files.upload(tmp_path / "x", "/proc/nothing")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    (top / "src" / "deep er").mkdir(parents=True)
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / "link").symlink_to("src/one.py")
    for number in range(30):
        (top / "src" / f"{number}.py").write_text(f"print({number})\n")
    (top / "src" / "deep er" / "it's.bin").write_bytes(os.urandom(2_500_000))
    (top / ".flowignore").write_text("*.tmp\n")
    (top / os.fsdecode(b"\xff not UTF-8")).write_text("x")
    (top / "scratch.tmp").write_text("stays here")
    return top


async def test_a_tree_is_uploaded_and_later_only_what_changed(host: SshHost, tree: Path, far: Path) -> None:
    first = await upload(tree, host.folder(f"{far}/code"))
    there = far / "code"
    expected = {path: data for path, data in content(tree).items() if not path.endswith(".tmp")}
    assert content(there) == expected
    assert first.files_sent == len(expected)
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    again = await upload(tree, host.folder(f"{far}/code"))
    assert (again.files_sent, again.files_deleted, again.files_unchanged) == (0, 0, len(expected))
    (tree / "src" / "3.py").write_text("print('changed')\n")
    (tree / "src" / "4.py").unlink()
    os.utime(tree / "src" / "deep er" / "it's.bin", (1, 1))
    (there / "theirs").write_text("not ours")
    third = await upload(tree, host.folder(f"{far}/code"))
    assert (third.files_sent, third.files_deleted) == (1, 1)
    assert content(there) == {
        **{path: data for path, data in content(tree).items() if not path.endswith(".tmp")},
        "theirs": b"not ours",
    }
    assert not list(there.rglob("*.part"))
    assert not list(there.rglob("*.lock"))


async def test_a_file_whose_time_alone_changed_is_compared_on_the_host(host: SshHost, tree: Path, far: Path) -> None:
    await upload(tree, host.folder(str(far)))
    for path in (tree / "src" / "1.py", tree / os.fsdecode(b"\xff not UTF-8")):
        os.utime(path, (1, 1))
    again = await upload(tree, host.folder(str(far)))
    assert again.files_sent <= 1
    assert (far / "src" / "1.py").stat().st_mtime == 1


async def test_two_uploads_to_one_folder_do_not_run_at_once(host: SshHost, tree: Path, far: Path) -> None:
    first = host.folder(str(far))
    await first.open()
    with pytest.raises(Conflict, match="under way"):
        await upload(tree, host.folder(str(far)))
    await first.close()
    assert (await upload(tree, host.folder(str(far)))).files_sent > 0


async def test_the_lock_of_a_killed_upload_is_ignored(host: SshHost, tree: Path, far: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (far / ".flow-sync.lock").write_text(f"{dead.pid} {os.uname().nodename}\n")
    assert (await upload(tree, host.folder(str(far)))).files_sent > 0


async def test_no_link_at_the_destination_is_followed(host: SshHost, tree: Path, far: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (far / "src").symlink_to(elsewhere)
    (far / "run.sh").symlink_to(elsewhere / "victim")
    done = await upload(tree, host.folder(str(far)))
    assert list(elsewhere.iterdir()) == []
    assert not (far / "run.sh").is_symlink()
    assert len(done.skipped) == 31


async def test_a_destination_that_is_no_folder(host: SshHost, tree: Path, far: Path) -> None:
    (far / "file").write_text("x")
    with pytest.raises(Conflict, match="not a folder"):
        await upload(tree, host.folder(f"{far}/file"))
