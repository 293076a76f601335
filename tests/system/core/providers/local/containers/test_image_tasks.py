"""Tasks with an image, in containers of a real podman and a real docker."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from testbed.command_lines import read_command_line
from testbed.container_engines import IMAGE, find_processes
from testbed.image_registry import registry
from testbed.log_truth import all_stamps
from testbed.tables import each
from testbed.waiting import DEADLINE_S, until

from flow_core.agent.spool import STDERR
from flow_core.errors import ConfigError, Conflict, Unreachable
from flow_core.models.task import TaskStatus


async def test_a_task_with_an_image_runs_in_it_and_its_exit_code_and_both_streams_are_kept(machine, engine):
    task = await machine.submit("pwd; echo err >&2; exit 3", image=IMAGE, working_dir="/etc")
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 3), end.message
    assert sorted((await machine.output(task)).split()) == [b"/etc", b"err"]
    (address,) = await machine.provider.logs.addresses(task.task_id)
    assert {stamp.stream for stamp in all_stamps(await machine.provider.logs.open(address))} == {0, 1}
    assert engine.containers(task.task_id) == []


async def test_every_variable_arrives_as_it_was_given_and_none_is_in_a_list_of_processes(machine, engine):
    env = {
        "LINES_OF": "one\ntwo\n\n",
        "QUOTED": """ '"$HOME"' `id` \\n # =x """,
        "EMPTY": "",
        "UMLAUT": "ä 🙂",
        "LONG": "x" * 100_000,
        "PATH": "/bin:/nowhere",
        "HOME": "/tmp",
        "LD_LIBRARY_PATH": "/nowhere/lib",
        "LD_PRELOAD": "",
        "DOCKER_HOST": "unix:///nowhere",
        "CONTAINERS_CONF": "/nowhere",
        "SECRET": "sesame-4711",
    }
    command = ["sh", "-c", "cat /proc/self/environ; read wait < /workspace/gate"]
    os.mkfifo("gate")
    task = await machine.running(await machine.submit(command, image=IMAGE, env=env))
    await machine.until(lambda: machine.written(task).count(b"\0") > len(env), "the variables")
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and b"sesame" in read_command_line(int(pid))]
    Path("gate").write_text("go\n")
    assert (await machine.ended(task)).exit_code == 0
    entries = (await machine.output(task)).decode().split("\0")
    seen = dict(entry.split("=", 1) for entry in entries if entry)
    assert {name: seen.get(name) for name in env} == env
    assert (seen["FLOW_TASK_ID"], seen["FLOW_TASK_NAME"]) == (task.task_id, task.name)
    assert "FLOW_STATE_DIR" not in seen


async def test_its_folder_volumes_and_paths_of_this_machine_are_where_they_were_asked_for(machine, engine, tmp_path):
    odd = tmp_path / 'a,b:c "d"'
    odd.mkdir()
    (odd / "file").write_text("data")
    (tmp_path / "given").write_text("from here")
    workspace = "pwd; cat given; echo made > made"
    mounts = "cat /data/in/file; (echo new > /data/in/no) 2>/dev/null || echo read-only"
    task = await machine.submit(
        f"{workspace}; {mounts}; echo kept > $FLOW_VOLUME_WEIGHTS/it",
        image=IMAGE,
        volumes=[{"name": "weights", "create_if_missing": True, "mount_path": "/models"}],
        data_mounts=[{"source": str(odd), "target": "/data/in"}],
    )
    assert (await machine.ended(task)).exit_code == 0, await machine.output(task)
    assert await machine.output(task) == b"/workspace\nfrom heredataread-only\n"
    assert (tmp_path / "made").read_text() == "made\n"
    assert (tmp_path / "made").stat().st_uid == os.geteuid()
    (volume,) = await machine.provider.volumes.list()
    assert Path(volume.provider_metadata["path"], "it").read_text() == "kept\n"


async def test_its_code_is_its_workspace_and_a_volume_has_a_place_of_its_own(machine, engine, tmp_path):
    volume = await machine.provider.volumes.create(1, "weights", "block", None)
    Path(volume.provider_metadata["path"], "it").write_text("kept")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "given").write_text("from the code")
    command = ["cat", "given", "/volumes/weights/it"]
    task = await machine.submit(command, image=IMAGE, code_root="code", volumes=[{"name": "weights"}])
    assert (await machine.ended(task)).exit_code == 0
    assert await machine.output(task) == b"from the codekept"


async def test_a_working_dir_and_a_code_root_that_can_not_be_are_refused(machine, engine):
    with pytest.raises(ConfigError, match="inside the image"):
        await machine.submit("true", image=IMAGE, working_dir="here")
    with pytest.raises(ConfigError, match=r"code_root: .*is not a folder"):
        await machine.submit("true", image=IMAGE, code_root="nowhere")


async def test_a_running_container_is_given_no_further_volume(shared_machine, container):
    volume = await shared_machine.provider.volumes.create(1, "late", "file", None)
    with pytest.raises(Conflict, match="container"):
        await shared_machine.provider.volumes.attach(volume.volume_id, container.task_id, None)
    await shared_machine.provider.volumes.delete(volume.volume_id)


@each("command", [["no-such-program"], ["/etc"]])
async def test_a_command_that_the_image_has_not_fails_with_the_engines_words(machine, engine, command):
    end = await machine.ended(await machine.submit(command, image=IMAGE))
    assert end.status is TaskStatus.FAILED
    assert end.exit_code in (126, 127)
    assert end.message.startswith(f"{engine.name}: ")
    assert "\n" not in end.message


async def test_a_mount_that_is_gone_when_the_task_starts_fails_it_with_a_sentence(machine, engine, tmp_path):
    (tmp_path / "data").mkdir()
    holder = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    mount = {"source": str(tmp_path / "data"), "target": "/data"}
    task = await machine.submit("true", image=IMAGE, instance_type="a100:1", data_mounts=[mount])
    await machine.until_task(task, lambda now: now.message.startswith("waiting"))
    (tmp_path / "data").rmdir()
    await machine.provider.cancel_task(holder.task_id, force=True)
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 125)
    assert str(tmp_path / "data") in end.message


async def test_a_shell_opens_inside_the_container_and_leaves_nothing_there(shared_machine, container):
    shell = await shared_machine.provider.shells.open(container.task_id, columns=80, rows=24)
    await shell.write(b'echo "<$COLOUR>" $PWD $TERM\n')
    await said_by(shell, b"<blue green> /workspace xterm-256color")
    assert find_processes(container, b"sh -i")
    await shell.close()
    await until(lambda: not find_processes(container, b"sh -i"))


async def test_a_shell_whose_client_ends_by_a_signal_before_its_session_leaves_nothing_there(shared_machine, container):
    shell = await shared_machine.provider.shells.open(container.task_id, columns=80, rows=24)
    await shell.write(b"echo $((6*7))\n")
    await said_by(shell, b"42")
    shell._channel.send_signal("HUP")  # as close() does, which doesn't wait for what follows from it
    async with asyncio.timeout(DEADLINE_S):
        await shell.wait()
    await shell.close()
    await until(lambda: not find_processes(container, b"sh -i"))


async def said_by(shell, wanted):
    output = b""
    async with asyncio.timeout(DEADLINE_S):
        async for piece in shell.read():
            output += piece
            if wanted in output:
                return
    raise AssertionError(f"it ended without {wanted!r}: {output!r}")


async def test_a_command_in_a_shell_runs_inside_the_container(shared_machine, container):
    shell = await shared_machine.provider.shells.open(container.task_id, columns=80, rows=24, command="pwd; exit 5")
    output = b"".join([piece async for piece in shell.read()])
    assert (output.split(), await shell.wait()) == ([b"/workspace"], 5)
    await shell.close()


async def test_the_ranks_of_each_attempt_meet_and_have_a_container_and_a_log_of_their_own(machine, engine):
    """In the first attempt rank 0 fails, which ends the container of rank 1."""
    line = """
    echo rank $NODE_RANK
    if [ $NODE_RANK = 0 ] && [ ! -e failed ]; then touch failed; exit 4; fi
    [ -e failed ] || sleep 300
    if [ $NODE_RANK = 0 ]; then echo hello | nc -l -p $MASTER_PORT
    else until nc $MASTER_ADDR $MASTER_PORT 2>/dev/null; do sleep 0.05; done; fi"""
    retries = {"max_retries": 1, "delay_s": 0}
    end = await machine.ended(task := await machine.submit(line, image=IMAGE, num_instances=2, retries=retries))
    assert (end.exit_code, end.attempt) == (0, 1), end.message
    addresses = await machine.provider.logs.addresses(task.task_id)
    logs = {(one.attempt, one.rank): await machine.provider.logs.open(one) for one in addresses}
    assert logs[0, 0].log.read_bytes() == b"rank 0\n"
    assert logs[0, 1].log.read_bytes() in (b"", b"rank 1\n")
    assert [logs[1, rank].log.read_bytes() for rank in range(2)] == [b"rank 0\n", b"rank 1\nhello\n"]
    assert engine.containers(task.task_id) == []


async def test_an_image_that_nobody_has_fails_the_task_with_a_sentence(machine, engine):
    with registry({}) as server:
        end = await machine.ended(task := await machine.submit("true", image=f"{server.host}/none:1"))
    assert (end.status, end.started_at) == (TaskStatus.FAILED, None)
    assert end.message.startswith(f"{engine.name} can't pull '{server.host}/none:1': ")
    assert "manifest unknown" in end.message
    assert b"manifest unknown" in await machine.output(task)


async def test_an_image_is_fetched_while_the_gpus_go_to_others(machine, engine, busybox):
    with registry({"bin/sh": busybox}) as server:
        server.gate.clear()
        task = await machine.submit("echo fetched", image=server.image, instance_type="a100:2")
        await machine.until(server.asked.is_set, "the pull")
        assert (await machine.provider.get_task(task.task_id)).status is TaskStatus.PENDING
        assert (await machine.provider.get_task(task.task_id)).message == f"pulling {server.image}"
        other = await machine.submit("true", instance_type="a100:2")
        assert (await machine.ended(other)).status is TaskStatus.COMPLETED
        server.gate.set()
        assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    assert (await machine.output(task)).endswith(b"fetched\n")
    (address,) = await machine.provider.logs.addresses(task.task_id)
    assert all_stamps(await machine.provider.logs.open(address))[0].stream == STDERR


async def test_code_is_sent_to_where_the_container_sees_it(machine, engine, tmp_path):
    source = tmp_path / "code"
    source.mkdir()
    (source / "train.py").write_text("print()")
    line = "until [ -e /workspace/sent/train.py ] && [ -e /data/train.py ]; do sleep 0.02; done"
    volume = {"name": "weights", "create_if_missing": True, "mount_path": "/data"}
    task = await machine.submit(line, image=IMAGE, volumes=[volume], working_dir="/etc")
    for target in ("/workspace/sent", "../data"):
        await machine.provider.uploads.upload(task.task_id, source, target)
    with pytest.raises(ConfigError, match="in the image"):
        await machine.provider.uploads.upload(task.task_id, source, "here")
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED


async def test_a_single_command_runs_inside_the_container_and_ends_there_when_its_time_is_up(shared_machine, container):
    run = shared_machine.provider.remote.run
    done = await run(container.task_id, "pwd; cat; echo err >&2; exit 3", stdin=b"given")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"/workspace\ngiven", b"err\n")
    for timeout_s in (0.05, 0.1, 0.5):  # also while the engine still starts it
        with pytest.raises(Unreachable, match="within"):
            await run(container.task_id, "exec sleep 4711", timeout_s=timeout_s)
    await run(container.task_id, "true")  # by then whatever was being started has started
    await until(lambda: not find_processes(container, b"sleep 4711"))
