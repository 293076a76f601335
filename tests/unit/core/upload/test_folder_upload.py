"""Uploads to another folder of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from testbed.repository import tree, write

from flow_core.errors import AuthError, ConfigError, Conflict, ProviderError, Unreachable
from flow_core.upload.destination import WrittenFile
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.report import Progress, UploadResult
from flow_core.upload.source import SourceEntry

MANIFEST = ".flow-sync.json"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "source", {"a.py": "print(1)", "sub/b.py": "print(2)", "sub/deep/c.bin": b"\0" * 70_000})
    return tmp_path / "source"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


async def send(source: Path, there: Path, **options) -> UploadResult:
    return await upload(source, LocalFolder(there), **options)


def counts(result: UploadResult) -> tuple[int, int, int]:
    return result.files_sent, result.files_unchanged, result.files_deleted


def later(path: Path, content: str) -> None:
    """Changes a file and its mtime."""
    path.write_text(content)
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000))


async def test_everything_arrives_unchanged_and_is_not_sent_twice(source, there):
    (source / "a.py").chmod(0o755)
    (source / "link").symlink_to("sub/b.py")
    first = await send(source, there)
    assert counts(first) == (4, 0, 0)
    assert first.bytes_sent == 70_016
    assert first.duration_s > 0
    assert tree(there) == tree(source)
    assert (there / "a.py").stat().st_mode & 0o7777 == 0o755
    assert counts(await send(source, there)) == (0, 4, 0)


async def test_only_what_changed_is_sent(source, there):
    await send(source, there)
    later(source / "a.py", "print(9)")
    write(source, {"new/d": ""})
    assert counts(await send(source, there)) == (2, 2, 0)
    assert tree(there) == tree(source)
    assert counts(await send(source, there)) == (0, 4, 0)


async def test_a_file_changed_while_it_was_sent_is_sent_again(source, there):
    for number in range(20):
        (source / "a.py").write_text(f"print({number % 10})")
        await send(source, there)
        assert (there / "a.py").read_text() == f"print({number % 10})"


async def test_a_file_with_only_a_new_mtime_is_compared_and_not_sent(source, there):
    await send(source, there)
    os.utime(source / "sub/deep/c.bin", ns=(1, 1))
    os.utime(source / "a.py", ns=(1, 1))
    assert counts(await send(source, there)) == (0, 3, 0)
    assert (there / "a.py").stat().st_mtime_ns == 1
    (there / MANIFEST).unlink()
    os.utime(source / "a.py", ns=(2, 2))
    assert counts(await send(source, there)) == (0, 3, 0)


async def test_a_new_mode_is_set_without_sending_the_file(source, there):
    await send(source, there)
    (source / "a.py").chmod(0o700)
    assert counts(await send(source, there)) == (0, 3, 0)
    assert (there / "a.py").stat().st_mode & 0o777 == 0o700


async def test_a_full_comparison_overwrites_what_others_changed(source, there):
    await send(source, there)
    (there / "a.py").write_text("something else")
    (there / "sub/b.py").unlink()
    assert counts(await send(source, there)) == (2, 1, 0)
    assert tree(there) == tree(source)


async def test_deleted_files_are_deleted_with_their_empty_folders(source, there):
    await send(source, there)
    (source / "sub/deep/c.bin").unlink()
    (source / "sub/deep").rmdir()
    assert counts(await send(source, there)) == (0, 2, 1)
    assert not (there / "sub/deep").exists()
    assert (there / "sub").exists()


async def test_files_of_others_are_never_deleted(source, there):
    write(there, {"theirs": "1", "sub/theirs": "2", "sub/deep/c.bin": b"\0" * 70_000, "made/x": ""})
    os.utime(there / "sub/deep/c.bin", ns=(5, 5))
    os.utime(source / "sub/deep/c.bin", ns=(5, 5))
    write(source, {"made/mine": ""})
    assert counts(await send(source, there)) == (3, 1, 0)
    (source / "sub/deep/c.bin").unlink()
    (source / "sub/b.py").unlink()
    (source / "made/mine").unlink()
    (there / "made/x").unlink()
    assert counts(await send(source, there)) == (0, 1, 2)
    assert set(tree(there)) == {"a.py", "theirs", "sub/theirs", "sub/deep/c.bin"}
    assert (there / "made").is_dir()


async def test_an_uploaded_file_that_others_changed_is_kept_and_reported(source, there):
    await send(source, there)
    (there / "a.py").write_text("a day's work")
    (source / "a.py").unlink()
    result = await send(source, there)
    assert counts(result) == (0, 2, 0)
    assert result.skipped == ("'a.py': gone at the source, but changed at the destination and so kept there",)
    assert (there / "a.py").read_text() == "a day's work"


async def test_a_newly_ignored_file_stays_until_the_source_deletes_it(source, there):
    await send(source, there)
    write(source, {".flowignore": "*.bin"})
    assert counts(await send(source, there)) == (1, 2, 0)
    assert (there / "sub/deep/c.bin").exists()
    (source / "sub/deep/c.bin").unlink()
    assert counts(await send(source, there)) == (0, 3, 1)
    assert not (there / "sub/deep/c.bin").exists()


async def test_another_source_deletes_nothing_of_the_first_one(source, there, tmp_path):
    await send(source, there)
    write(tmp_path / "other", {"z": "", "a.py": "print(1)"})
    assert (await send(tmp_path / "other", there)).files_deleted == 0
    assert set(tree(there)) == {"a.py", "sub/b.py", "sub/deep/c.bin", "z"}


@pytest.mark.parametrize("steps", [("file", "folder", "file"), ("link", "folder", "link"), ("file", "link", "file")])
async def test_a_path_may_change_between_file_folder_and_link(tmp_path, there, steps):
    source = tmp_path / "source"
    write(source, {"other": ""})
    for step in steps:
        if step == "folder":
            write(source, {"x/y": "inside"})
        elif step == "file":
            write(source, {"x": "a file"})
        else:
            (source / "x").symlink_to("other")
        await send(source, there)
        assert tree(there) == tree(source)
        if (source / "x").is_dir():
            shutil.rmtree(source / "x")
        else:
            (source / "x").unlink()


async def test_links_at_the_destination_are_never_followed(source, there, tmp_path):
    write(tmp_path / "outside", {"b.py": "precious", "victim": "precious"})
    there.mkdir()
    (there / "sub").symlink_to(tmp_path / "outside")
    (there / "a.py").symlink_to(tmp_path / "outside/victim")
    result = await send(source, there)
    assert tree(tmp_path / "outside") == {"b.py": "precious", "victim": "precious"}
    assert (there / "a.py").read_text() == "print(1)"
    assert not (there / "a.py").is_symlink()
    why = "a folder above it is a link or a file at the destination"
    assert result.skipped == (f"'sub/b.py': {why}", f"'sub/deep/c.bin': {why}")


async def test_paths_in_a_manifest_that_lead_out_are_ignored(source, there, tmp_path):
    await send(source, there)
    write(tmp_path, {"victim": ""})
    text = (there / MANIFEST).read_text()
    (there / MANIFEST).write_text(text.replace('"a.py":', '"../victim":'))
    assert counts(await send(source, there)) == (0, 3, 0)
    assert (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    "junk", [b"", b"{", b"[]", b'{"version":99}', b'{"version":1,"files":{"a":[1]}}', b"\xff" * 99]
)
async def test_an_unreadable_manifest_causes_a_full_comparison(source, there, junk):
    await send(source, there)
    (there / MANIFEST).write_bytes(junk)
    (source / "a.py").unlink()
    assert counts(await send(source, there)) == (0, 2, 0)
    assert (there / "a.py").exists()


async def test_a_manifest_that_is_a_link_is_not_followed(source, there, tmp_path):
    write(tmp_path, {"elsewhere": "{}"})
    there.mkdir()
    (there / MANIFEST).symlink_to(tmp_path / "elsewhere")
    await send(source, there)
    assert (tmp_path / "elsewhere").read_text() == "{}"
    assert not (there / MANIFEST).is_symlink()


async def test_uploading_a_folder_onto_itself_changes_nothing(source):
    before = tree(source)
    assert counts(await send(source, source)) == (0, 0, 0)
    assert counts(await send(source, source / "sub/..")) == (0, 0, 0)
    assert tree(source) == before
    assert not (source / MANIFEST).exists()


async def test_a_destination_inside_the_source_is_skipped(source):
    for _ in range(2):
        result = await send(source, source / "out")
        assert result.skipped == ("'out': it is where the upload goes",)
    assert set(tree(source / "out")) == {"a.py", "sub/b.py", "sub/deep/c.bin"}


async def test_progress_is_ordered_throttled_and_ends_complete(tmp_path, there):
    write(tmp_path / "source", {f"{number:04}": "x" * 100 for number in range(400)})
    told: list[tuple[float, Progress]] = []
    began = time.monotonic()
    await send(tmp_path / "source", there, on_progress=lambda now: told.append((time.monotonic(), now)))
    took = time.monotonic() - began
    assert len(told) <= took * 20 + 2
    assert told[-1][1] == Progress(400, 400, 40_000, 40_000, "0399")
    done = [now.bytes_done for _, now in told]
    assert done == sorted(done)


async def test_progress_is_reported_within_a_large_file(tmp_path, there):
    write(tmp_path / "source", {"big": b"\0" * (80 << 20)})
    told: list[Progress] = []
    await send(tmp_path / "source", there, on_progress=told.append)
    assert any(0 < now.bytes_done < now.bytes_total == 80 << 20 for now in told)


class Interrupted(LocalFolder):
    """A destination that calls a function when the turn of a file comes."""

    def __init__(self, path: Path, name: str, interrupt: Callable[[], Awaitable[object]]) -> None:
        super().__init__(path)
        self._name, self._interrupt = name, interrupt

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        if entry.path == self._name:
            await self._interrupt()
        return await super().put(source, entry, on_bytes)


async def test_a_cancelled_upload_leaves_complete_files_and_can_continue(tmp_path, there):
    files = {f"{number:02}": f"{number}" * 1000 for number in range(50)}
    write(tmp_path / "source", files)

    async def cancel() -> None:
        running.cancel()

    running = asyncio.create_task(upload(tmp_path / "source", Interrupted(there, "30", cancel)))
    with pytest.raises(asyncio.CancelledError):
        await running
    arrived = tree(there)
    assert arrived == {name: content for name, content in files.items() if name <= "30"}
    (tmp_path / "source/00").unlink()
    assert counts(await send(tmp_path / "source", there)) == (19, 30, 1)
    assert tree(there) == tree(tmp_path / "source")


async def test_the_error_of_a_timeout_says_how_to_continue(tmp_path, there):
    write(tmp_path / "source", dict.fromkeys("abcdef", "x"))
    with pytest.raises(Unreachable, match=r"not done after 0\.15 s, 2 files arrived; upload again to go on"):
        await upload(tmp_path / "source", Interrupted(there, "c", asyncio.Event().wait), timeout_s=0.15)
    assert set(tree(there)) == {"a", "b"}
    assert (await send(tmp_path / "source", there)).files_sent == 4


async def test_an_error_in_the_progress_callback_ends_the_upload_without_loss(source, there):
    def tell(now: Progress) -> None:
        raise RuntimeError("a bug of theirs")

    with pytest.raises(RuntimeError, match="a bug of theirs"):
        await send(source, there, on_progress=tell)
    await send(source, there)
    assert tree(there) == tree(source)


async def test_a_second_upload_to_the_same_destination_is_refused(source, there):
    first = LocalFolder(there)
    await first.open()
    try:
        with pytest.raises(Conflict, match=r"another upload to .* is under way"):
            await send(source, there)
    finally:
        await first.close()
    assert (await send(source, there)).files_sent == 3


async def test_a_file_deleted_during_the_upload_is_reported(source, there):
    def tell(now: Progress) -> None:
        (source / "sub/b.py").unlink(missing_ok=True)

    result = await send(source, there, on_progress=tell)
    assert result.skipped == ("'sub/b.py': it was deleted before it could be uploaded",)
    assert counts(result) == (2, 0, 0)


async def test_something_of_another_kind_at_the_destination_is_kept(source, there):
    write(there, {"a.py/theirs": ""})
    result = await send(source, there)
    assert result.skipped == ("'a.py': something of another kind stands there at the destination",)
    assert (there / "a.py/theirs").exists()
    assert not list(there.rglob("*.part"))


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), "10", True])
async def test_an_invalid_timeout_is_refused(source, there, timeout_s):
    with pytest.raises(ConfigError) as caught:
        await send(source, there, timeout_s=timeout_s)
    assert caught.value.field == "timeout"


async def test_a_destination_that_is_a_file_is_refused(source, there):
    there.write_text("")
    with pytest.raises(Conflict, match="is not a folder"):
        await send(source, there)


async def test_a_full_disk_is_reported_and_complete_files_stay(source, there, monkeypatch):
    import errno

    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 60_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(ProviderError, match="is full"):
            await send(source, there)
    assert set(tree(there)) == {"a.py", "sub/b.py"}
    assert counts(await send(source, there)) == (1, 2, 0)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that belongs to a user without root's permissions."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


async def test_missing_permissions_are_reported(as_nobody):
    source, there = as_nobody / "source", as_nobody / "there"
    write(source, {"a.py": "", "sub/b.py": ""})
    for path, mode in ((source / "a.py", 0o600), (source / "sub", 0o700)):
        path.chmod(0)
        with pytest.raises(ConfigError, match=r"can't be read: permission denied.*\.flowignore") as caught:
            await send(source, there)
        assert caught.value.field == "source_dir"
        path.chmod(mode)
    there.chmod(0o500)
    with pytest.raises(AuthError, match=r"can't be written to: permission denied; choose a target_dir"):
        await send(source, there)
    there.chmod(0o700)


async def test_fifteen_hundred_files_are_quick(tmp_path, there):
    write(tmp_path / "source", {f"{number % 50}/{number}.py": f"{number}" for number in range(1500)})
    began = time.monotonic()
    assert (await send(tmp_path / "source", there)).files_sent == 1500
    sent = time.monotonic() - began
    assert counts(await send(tmp_path / "source", there)) == (0, 1500, 0)
    again = time.monotonic() - began - sent
    assert sent < 5
    assert again < 1
