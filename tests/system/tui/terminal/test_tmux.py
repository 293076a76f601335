"""The commands of persistent shells, run in real tasks by the shell of the task."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.task import AsyncTask
from flow_core.providers.contract.access import Shell
from flow_core.ssh.host import SshHost
from flow_tui.terminal.tmux import attach_command, kill_command


@pytest.fixture
async def flow() -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow("local") as flow:
        yield flow


async def _task(flow: AsyncFlow, **env: str) -> AsyncTask:
    return await flow.run(TaskConfig(name="kept", command=f"{shutil.which('sleep')} 300", env=env), wait=True)


async def _type_line(flow: AsyncFlow, task: AsyncTask, line: str, wanted: str) -> None:
    """Type a line into the persistent shell, wait for its output, and detach."""
    shell = await flow.open_shell(task.task_id, columns=80, rows=24, command=attach_command(task.task_id, 0))
    try:
        await shell.write(line.encode() + b"\n")
        await _wait_for_output(shell, wanted)
    finally:
        await shell.close()


async def _wait_for_output(shell: Shell, wanted: str) -> None:
    output = b""
    async with asyncio.timeout(DEADLINE_S):
        async for piece in shell.read():
            output += piece
            if re.search(wanted, output.decode(errors="replace")):
                return
    pytest.fail(f"{wanted!r} is not in the output: {output!r}")


@pytest.mark.needs("tmux")
@pytest.mark.parametrize("shell", ["bash", "dash"])
async def test_a_persistent_shell_lives_on_without_a_terminal_until_it_is_killed(flow: AsyncFlow, shell: str) -> None:
    task = await _task(flow, WORD="hush", SHELL=shutil.which(shell) or "/bin/sh", TMUX="/tmp/no,1,0")
    remote = flow.get_remote_operations()
    await _type_line(flow, task, "here=$((6*7)); echo $WORD-$PWD-$FLOW_TASK_ID", rf"hush-/\S+-{task.task_id}")
    await _type_line(flow, task, "echo still-$here", "still-42")
    assert (await remote.run(task.task_id, kill_command(task.task_id, 0))).exit_code == 0
    assert (await remote.run(task.task_id, kill_command(task.task_id, 0))).exit_code != 0
    await _type_line(flow, task, "echo gone-$here.", r"gone-\.")


@pytest.mark.needs("tmux")
async def test_attaching_detaches_the_terminal_before(flow: AsyncFlow) -> None:
    task = await _task(flow, FLOW_ENTRY_0a1b="1")
    first = await flow.open_shell(task.task_id, columns=80, rows=24, command=attach_command(task.task_id, 0))
    output = first.read()
    await anext(output)
    await _type_line(flow, task, 'echo "<${FLOW_ENTRY_0a1b-none}>"', "<none>")
    async with asyncio.timeout(DEADLINE_S):
        assert b"detached" in b"".join([piece async for piece in output])
    assert await first.wait() == 0
    await first.close()


@pytest.mark.needs("tmux")
async def test_a_persistent_shell_ends_with_its_task(flow: AsyncFlow) -> None:
    task = await _task(flow)
    await _type_line(flow, task, "echo pid-$$", r"pid-\d+")
    await task.cancel(force=True)
    await asyncio.wait_for(task.wait(), DEADLINE_S)
    other = await _task(flow)
    listed = await flow.get_remote_operations().run(other.task_id, f"tmux -L flow-{task.task_id}-0 list-sessions")
    assert listed.exit_code != 0


@pytest.mark.needs("tmux", "sshd")
async def test_a_persistent_shell_on_a_host_survives_the_end_of_its_ssh_server(tmp_path: Path) -> None:
    sshd, name = Sshd(tmp_path / "sshd"), f"test-{os.getpid()}"
    try:
        async with await SshHost.find("far", config=sshd.config()) as host:
            for lived in (b"<>", b"<once>"):
                sshd.start()
                shell = await host.open_shell(columns=80, rows=24, command=attach_command(name, 3))
                await shell.write(b'echo "<$lived>"; lived=once\n')
                await _wait_for_output(shell, lived.decode())
                sshd.stop()
                await shell.close()
            sshd.start()
            assert (await host.run(kill_command(name, 3))).exit_code == 0
    finally:
        sshd.stop()
        subprocess.run(["tmux", "-L", f"flow-{name}-3", "kill-server"], stderr=subprocess.DEVNULL, check=False)


async def test_a_machine_without_tmux_gives_one_sentence(flow: AsyncFlow) -> None:
    task = await _task(flow, PATH="/nowhere")
    shell = await flow.open_shell(task.task_id, columns=80, rows=24, command=attach_command(task.task_id, 0))
    output = b"".join([piece async for piece in shell.read()])
    assert b"there is no tmux here" in output
    assert await shell.wait() == 127
    await shell.close()
