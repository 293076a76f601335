"""Killed uploads, and destinations that are less exact than a folder of this machine."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from testbed.repository import Repository, tree, write

from flow_core.upload.destination import DestinationEntry, WrittenFile
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.source import SourceEntry

SECOND = 1_000_000_000
SCRIPT = """
import asyncio, sys
from pathlib import Path
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.folder_upload import upload
asyncio.run(upload(Path(sys.argv[1]), LocalFolder(Path(sys.argv[2]))))
"""


def kill_halfway(source: Path, there: Path, wanted: int) -> None:
    """Starts an upload in its own process and kills it once so many files have arrived."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(source), str(there)]) as process:
        deadline = time.monotonic() + 30
        while not there.is_dir() or sum(1 for _ in there.iterdir()) < wanted:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it was over before it could be killed"
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("wanted", [2, 400])
async def test_a_killed_upload_leaves_complete_files_and_the_next_one_continues(tmp_path, wanted):
    source, there = tmp_path / "source", tmp_path / "there"
    files = {f"{number:04}": f"{number}" * 500 for number in range(3000)}
    write(source, files)
    write(there, {"theirs": ""})
    kill_halfway(source, there, wanted)
    arrived = {name: text for name, text in tree(there).items() if name in files}
    assert len(arrived) < 3000
    assert all(files[name] == text for name, text in arrived.items())
    result = await upload(source, LocalFolder(there))
    assert result.files_sent == 3000 - len(arrived)
    for name in files:
        (source / name).unlink()
    assert (await upload(source, LocalFolder(there))).files_deleted == 3000
    assert tree(there) == {"theirs": ""}
    assert not list(there.glob("*.part"))


async def test_after_a_killed_upload_everything_is_compared(tmp_path):
    repository, there = Repository(tmp_path / "source"), tmp_path / "there"
    write(repository.path, {f"{number:04}": "old" for number in range(2000)})
    repository.commit()
    await upload(repository.path, LocalFolder(there))
    write(repository.path, {f"{number:04}": "a try" for number in range(2000)})
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(repository.path), str(there)])
    with process:
        deadline = time.monotonic() + 30
        while (there / "0000").read_text() == "old":
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
    repository.git("checkout", "--", ".")
    await upload(repository.path, LocalFolder(there))
    assert set(tree(there).values()) == {"old"}


class Far(LocalFolder):
    """A destination with mtimes in seconds, without digests, that takes several files at once."""

    lanes = 4
    time_step_ns = SECOND

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.at_once = self.most_at_once = 0
        self._one = asyncio.Lock()

    async def stat_paths(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        found = await super().stat_paths(paths)
        return [one and one._replace(mtime_ns=one.mtime_ns // SECOND * SECOND) for one in found]

    async def digest(self, path: str) -> str | None:
        return None

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        async with self._one:
            arrived = await super().put(source, entry, on_bytes)
        self.at_once -= 1
        return arrived


async def test_a_destination_with_times_in_seconds_gets_each_change_once(tmp_path):
    source, there = tmp_path / "source", tmp_path / "there"
    write(source, {f"{number}": "abc" for number in range(20)})
    place = Far(there)
    assert (await upload(source, place)).files_sent == 20
    assert place.most_at_once == 4
    assert (await upload(source, Far(there))).files_sent == 0
    write(source, {"3": "xyz"})
    assert (await upload(source, Far(there))).files_sent == 1
    assert tree(there) == tree(source)
    (there / ".flow-sync.json").unlink()
    assert (await upload(source, Far(there))).files_sent == 20


async def test_the_first_failure_of_parallel_copies_ends_all_and_is_raised(tmp_path):
    class Failing(Far):
        async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
            if entry.path == "3":
                raise ZeroDivisionError("a bug of ours")
            return await super().put(source, entry, on_bytes)

    source, there = tmp_path / "source", tmp_path / "there"
    write(source, {f"{number}": "abc" for number in range(9)})
    with pytest.raises(ZeroDivisionError):
        await upload(source, Failing(there))
    kept = json.loads((there / ".flow-sync.json").read_text())
    assert set(tree(there)) <= {*kept["files"], *kept["pending"]}
    assert not list(there.glob("*.part"))
