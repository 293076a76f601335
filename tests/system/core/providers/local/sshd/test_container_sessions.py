"""Tasks in containers over SSH."""

from __future__ import annotations

import asyncio
import shlex
import subprocess

import pytest
from testbed.container_engines import IMAGE
from testbed.waiting import DEADLINE_S, until

pytestmark = pytest.mark.needs("ssh")


async def _run(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run, argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S, check=False
    )


async def test_a_container_is_entered_and_what_ran_there_ends_with_its_session(machine, engine):
    task = await machine.running(await machine.submit("sleep 300", image=IMAGE))
    ssh = shlex.split(await machine.provider.endpoints.command(task.task_id))
    done = await _run([*ssh, "echo $FLOW_TASK_ID; pwd; echo err >&2; exit 7"])
    assert (done.returncode, done.stdout.decode().split()) == (7, [task.task_id, "/workspace"]), done.stderr
    assert done.stderr == b"err\n"
    on_terminal = await _run([*ssh[:1], "-tt", *ssh[1:], "test -t 0 && echo $TERM"])
    assert b"xterm" in on_terminal.stdout or b"dumb" in on_terminal.stdout, on_terminal.stderr

    async def sleeps() -> bool:
        return b"sleep 4711" in (await _run([*ssh, "ps -o args | grep -v grep"])).stdout

    client = await asyncio.create_subprocess_exec(*ssh, "sleep 4711; true", stdin=subprocess.DEVNULL)
    await _until(sleeps, True)
    client.kill()
    await client.wait()
    await _until(sleeps, False)


async def test_an_image_without_a_file_server_is_said_to_have_none(machine, engine):
    task = await machine.running(await machine.submit("sleep 300", image=IMAGE))
    _, *options, address = shlex.split(await machine.provider.endpoints.command(task.task_id))
    options = ["-P" if word == "-p" else word for word in options]
    done = await _run(["sftp", *options, "-b", "/dev/null", address])
    assert done.returncode != 0
    assert b"this image has neither sftp-server nor python3" in done.stderr


async def _until(question, wanted: bool) -> None:
    async def answered() -> bool:
        return await question() == wanted

    await until(answered)
