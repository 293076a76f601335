"""Shells, commands and files in tasks on a real OpenSSH server."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.far_tasks import Far
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S, until

from flow_core.errors import ConfigError, Conflict, NotFound, Unreachable
from flow_core.providers.over_ssh.shells import SshShells
from flow_core.providers.over_ssh.task_commands import SshTaskCommands
from flow_core.providers.over_ssh.uploads import SshUploads

pytestmark = pytest.mark.needs("sshd")


async def test_a_shell_opens_in_the_tasks_directory_with_its_environment(far: Far) -> None:
    task = far.start()
    shell = await SshShells(far).open("train", columns=71, rows=17)
    try:
        assert shell.title == "shell in the train"
        await shell.write(b"pwd; echo $TASK; stty size; exit 7\n")
        async with asyncio.timeout(DEADLINE_S), aclosing(shell.read()) as pieces:  # type: ignore[type-var]
            output = b"".join([piece async for piece in pieces])
        assert str(task).encode() in output
        assert b"it's" in output
        assert b"17 71" in output
        assert await shell.wait() == 7
    finally:
        await shell.close()


async def test_a_shell_may_be_one_command(far: Far) -> None:
    far.start()
    shell = await SshShells(far).open("train", columns=80, rows=24, command="test -t 0 && echo \"$TASK\" '$1'; exit 3")
    try:
        async with asyncio.timeout(DEADLINE_S), aclosing(shell.read()) as pieces:  # type: ignore[type-var]
            assert b"".join([piece async for piece in pieces]).split() == [b"it's", b"$1"]
        assert await shell.wait() == 3
    finally:
        await shell.close()


async def test_the_directory_of_a_remote_task_is_no_path_of_this_machine(far: Far) -> None:
    far.start()
    assert await SshShells(far).directory("train") is None
    with pytest.raises(NotFound):
        await SshShells(far).directory("other")


async def test_a_command_runs_as_the_task_would_run_it(far: Far) -> None:
    task = far.start()
    done = await SshTaskCommands(far).run("train", 'pwd; cat; echo "$TASK" >&2; exit 4', stdin=b"\0\xff")
    assert (done.exit_code, done.stderr) == (4, b"it's\n")
    assert done.stdout == f"{task}\n".encode() + b"\0\xff"
    assert (await SshTaskCommands(far).run("train", "kill -TERM $$")).exit_code == 128 + signal.SIGTERM


async def test_output_is_passed_on_as_it_comes_and_cut_only_in_the_result(far: Far) -> None:
    far.start()
    heard: list[tuple[int, bytes]] = []

    async def listen(stream: int, data: bytes) -> None:
        heard.append((stream, data))

    done = await SshTaskCommands(far).run("train", "echo a; echo b >&2; sleep 0.1; echo c", on_output=listen)
    assert (done.stdout, done.stderr, done.is_cut) == (b"", b"", False)
    assert b"".join(data for stream, data in heard if stream == 1) == b"a\nc\n"
    assert (2, b"b\n") in heard
    assert (await SshTaskCommands(far).run("train", "head -c 17000000 /dev/zero")).is_cut


async def test_a_command_that_takes_too_long_or_is_cancelled_is_ended(far: Far) -> None:
    task = far.start()
    beat = "while sleep 0.05; do date +%N >beat; done"
    with pytest.raises(Unreachable, match="did not end within 1 s"):
        await SshTaskCommands(far).run("train", beat, timeout_s=1)
    running = asyncio.create_task(SshTaskCommands(far).run("train", beat.replace(">beat", ">other")))
    await until((task / "other").exists)
    running.cancel()
    await asyncio.wait((running,))
    assert running.cancelled()
    for beaten in (task / "beat", task / "other"):
        await until(lambda beaten=beaten: _is_still(beaten))


async def _is_still(path: Path) -> bool:
    before = path.read_bytes()
    await asyncio.sleep(0.3)
    return path.read_bytes() == before


async def test_unknown_tasks_and_nodes_are_refused(far: Far) -> None:
    far.start()
    far.start("done")
    far.ended.add("done")
    remote, shells = SshTaskCommands(far), SshShells(far)
    with pytest.raises(NotFound):
        await remote.run("other", "true")
    with pytest.raises(Conflict):
        await shells.open("done", columns=80, rows=24)
    with pytest.raises(ConfigError) as wrong:
        await remote.run("train", "true", node=1)
    assert wrong.value.field == "node"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").write_text("print(1)\n")
    (folder / ".flowignore").write_text("*.tmp\n")
    (folder / "a.tmp").write_text("")
    return folder


async def test_code_arrives_where_the_task_sees_it(far: Far, sshd: Sshd, code: Path, tmp_path: Path) -> None:
    task = far.start()
    uploads = SshUploads(far)
    there = {
        "/workspace": task,
        "/workspace/../workspace/deep/er": task / "deep" / "er",
        "rel dir": task / "rel dir",
        "~": sshd.home,
        "~/in it's home": sshd.home / "in it's home",
        "~nobody here": task / "~nobody here",
        f"{tmp_path}/else": tmp_path / "else",
    }
    for target, place in there.items():
        await uploads.upload("train", code, target)
        assert (place / "src" / "train.py").read_text() == "print(1)\n", target
        assert not (place / "a.tmp").exists()
    (code / "src" / "train.py").unlink()
    await uploads.upload("train", code, "/workspace")
    assert not (task / "src" / "train.py").exists()


async def test_an_upload_to_an_impossible_path_is_refused(far: Far, code: Path) -> None:
    far.start()
    far.start("done")
    far.ended.add("done")
    uploads = SshUploads(far)
    for target in ("a\0b", "half\ud800"):
        with pytest.raises(ConfigError) as wrong:
            await uploads.upload("train", code, target)
        assert wrong.value.field == "target_dir"
    with pytest.raises(Conflict):
        await uploads.upload("done", code, "/workspace")
    with pytest.raises(NotFound):
        await uploads.upload("other", code, "/workspace")
