"""Tasks in containers over SSH."""

from __future__ import annotations

import asyncio
import shlex
import subprocess

import pytest
from testbed.container_engines import find_processes
from testbed.ssh_programs import for_program, run_program
from testbed.waiting import until

pytestmark = pytest.mark.needs("ssh")


async def test_a_container_is_entered_and_what_ran_there_ends_with_its_session(shared_machine, container):
    ssh = shlex.split(await shared_machine.provider.endpoints.command(container.task_id))
    done = await run_program(*ssh, "echo $FLOW_TASK_ID; pwd; echo err >&2; exit 7")
    assert (done.returncode, done.stdout.decode().split()) == (7, [container.task_id, "/workspace"]), done.stderr
    assert done.stderr == b"err\n"
    on_terminal = await run_program(*ssh[:1], "-tt", *ssh[1:], "test -t 0 && echo $TERM")
    assert b"xterm" in on_terminal.stdout or b"dumb" in on_terminal.stdout, on_terminal.stderr
    client = await asyncio.create_subprocess_exec(*ssh, "sleep 4711; true", stdin=subprocess.DEVNULL)
    await until(lambda: find_processes(container, b"sleep 4711"))
    client.kill()
    await client.wait()
    await until(lambda: not find_processes(container, b"sleep 4711"))


async def test_an_image_without_a_file_server_is_said_to_have_none(shared_machine, container):
    sftp, address = for_program(await shared_machine.provider.endpoints.command(container.task_id), "sftp")
    done = await run_program(*sftp, "-b", "/dev/null", address)
    assert done.returncode != 0
    assert b"this image has neither sftp-server nor python3" in done.stderr
