"""Killed uploads, and destinations that are less exact than a folder of this machine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from testbed.repository import Repository, tree, write
from testbed.waiting import DEADLINE_S

from flow_core.upload.destination import DestinationEntry, WrittenFile
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder
from flow_core.upload.source import SourceEntry

SECOND = 1_000_000_000
SCRIPT = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from flow_core.upload.file_copy import PART
from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder

source, before, there = map(Path, sys.argv[1:])

def upload_until(step, there):
    shutil.copytree(before, there)
    steps = 0
    def count(event, arguments):
        nonlocal steps
        if arguments and arguments[0] == PART and event in ("open", "os.rename"):
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    asyncio.run(upload(source, LocalFolder(there)))
    os._exit(0)

step, code = 0, -signal.SIGKILL
while code == -signal.SIGKILL:
    step += 1
    child = os.fork()
    if child == 0:
        upload_until(step, there / str(step))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert code == 0
"""


def kill_at_each_step(source: Path, before: Path, there: Path) -> list[Path]:
    """Uploads to copies of `before`; each upload is killed one step later, and the last one comes to its end.

    A step begins to write a file, or gives a written one its name.
    """
    subprocess.run([sys.executable, "-c", SCRIPT, source, before, there], check=True, timeout=DEADLINE_S)
    return sorted(there.iterdir(), key=lambda path: int(path.name))


async def test_an_upload_killed_at_any_step_leaves_complete_files_and_the_next_one_continues(tmp_path):
    source = tmp_path / "source"
    files = {f"{number}": f"{number}" * 500 for number in range(6)}
    write(source, files)
    write(tmp_path / "before", {"theirs": ""})
    folders = kill_at_each_step(source, tmp_path / "before", tmp_path / "there")
    counts = set()
    for there in folders:
        arrived = {name: text for name, text in tree(there).items() if name in files}
        assert all(files[name] == text for name, text in arrived.items())
        counts.add(len(arrived))
        assert (await upload(source, LocalFolder(there))).files_sent == len(files) - len(arrived)
    assert counts == set(range(len(files) + 1))
    for name in files:
        (source / name).unlink()
    for there in folders:
        assert (await upload(source, LocalFolder(there))).files_deleted == len(files)
        assert tree(there) == {"theirs": ""}
        assert not list(there.glob("*.part"))


async def test_after_a_killed_upload_everything_is_compared(tmp_path):
    repository, before = Repository(tmp_path / "source"), tmp_path / "before"
    write(repository.path, dict.fromkeys("ab", "old"))
    repository.commit()
    await upload(repository.path, LocalFolder(before))
    write(repository.path, dict.fromkeys("ab", "a try"))
    folders = kill_at_each_step(repository.path, before, tmp_path / "there")
    assert {"old", "a try"} in [{tree(there)[name] for name in "ab"} for there in folders]
    repository.git("checkout", "--", ".")
    for there in folders:
        await upload(repository.path, LocalFolder(there))
        assert {tree(there)[name] for name in "ab"} == {"old"}


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
