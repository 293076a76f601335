"""Tasks whose two streams are one: written straight into the log, or to a terminal."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.container_engines import IMAGE
from testbed.log_truth import all_stamps
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.agent.spool import STDOUT, SidecarWriter, SpoolFiles
from flow_core.errors import ConfigError, Unsupported
from flow_core.models.task_config import TaskConfig

ALTERNATE = "import os\nfor n in range(1000):\n    os.write(1 + n % 2, b'%d\\n' % n)\n"
SEEN = """
import os
print([os.isatty(fd) for fd in range(3)], os.get_terminal_size(), os.environ['TERM'])
os.write(2, b'a\\nb\\r\\n')
"""


async def stamps_of(machine, task):
    (address,) = await machine.provider.logs.addresses(task.task_id)
    return all_stamps(await machine.provider.logs.open(address))


@pytest.mark.parametrize("how", [{"streams": "merged"}, {"tty": True}])
async def test_a_thousand_writes_in_turn_are_in_order_and_all_of_stdout(machine, how):
    task = await machine.ended(await machine.submit([sys.executable, "-c", ALTERNATE], **how))
    assert task.exit_code == 0, task.message
    assert await machine.output(task) == b"".join(b"%d\n" % n for n in range(1000))
    assert {stamp.stream for stamp in await stamps_of(machine, task)} == {STDOUT}


@pytest.mark.parametrize(("how", "name"), [({"streams": "merged"}, "streams: merged"), ({"tty": True}, "tty")])
async def test_whoever_wants_one_of_the_streams_is_told_that_they_are_one(machine, how, name):
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig.parse({"command": "echo out; echo err >&2", **how}))
        await task.wait()
        assert await flow.logs(task.task_id) == "out\nerr\n"
        for asked in ({"stderr": True}, {"stream": "stdout"}, {"follow": True, "source": "stderr"}):
            with pytest.raises(Unsupported, match=f"{task.task_id} was submitted with {name}, so"):
                await flow.logs(task.task_id, **asked)


async def test_the_log_of_merged_streams_is_complete_when_its_supervisor_is_killed(machine, tmp_path):
    command = "echo 1; read x < gate; echo 2; echo 3 >&2; touch wrote; read x < gate"
    os.mkfifo("gate")
    task = await machine.running(await machine.submit(command, streams="merged"))
    await machine.until(lambda: machine.written(task) == b"1\n", "its first line")
    os.kill(machine.supervisor(task), signal.SIGKILL)
    (tmp_path / "gate").write_text("go\n")
    await machine.until((tmp_path / "wrote").exists, "it went on without its supervisor")
    assert machine.written(task) == b"1\n2\n3\n"
    assert (await machine.ended(task)).message == "lost: its supervisor was killed"


async def test_lines_that_are_merged_have_the_times_at_which_they_came(machine):
    os.mkfifo("gate")
    task = await machine.running(await machine.submit("echo 1; read x < gate; echo 2 >&2", streams="merged"))
    files = await machine.provider.logs.open((await machine.provider.logs.addresses(task.task_id))[0])
    await until(lambda: len(all_stamps(files)) == 2)
    Path("gate").write_text("go\n")
    end = await machine.ended(task)
    stamps = all_stamps(files)
    assert [stamp.offset for stamp in stamps] == [0, 0, 2]
    times = [stamp.time_us / 1e6 for stamp in stamps]
    assert times == sorted(times)
    assert end.started_at.timestamp() <= times[1] < times[2] <= end.completed_at.timestamp()


async def test_a_followed_log_of_merged_streams_comes_as_it_is_written(machine):
    os.mkfifo("gate")
    async with AsyncFlow("local") as flow:
        task = await flow.run(TaskConfig(command="echo 1; read x < gate; echo 2 >&2", streams="merged"))
        async with aclosing(await flow.logs(task.task_id, follow=True)) as lines:
            assert await anext(lines) == "1"
            Path("gate").write_text("go\n")
            assert [line async for line in lines] == ["2"]


async def test_every_attempt_and_rank_of_merged_streams_has_a_log_of_its_own(machine):
    # The first attempt fails once both ranks have written. They wait without a child process: a shell that is stopped
    # while one runs may write an error of its own into the log.
    both = " && ".join(f"[ -s $FLOW_TASK_DIR/attempt-0/rank-{rank}.log ]" for rank in range(2))
    command = f"echo $NODE_RANK; [ -e tried ] && exit; until {both}; do :; done; : > tried; exit 3"
    fields = {"num_instances": 2, "retries": {"max_retries": 1, "delay_s": 0}}
    task = await machine.ended(await machine.submit(command, streams="merged", **fields))
    addresses = await machine.provider.logs.addresses(task.task_id)
    logs = [(await machine.provider.logs.open(address)).log.read_bytes() for address in addresses]
    assert logs == [b"%d\n" % address.rank for address in addresses]
    assert [(one.attempt, one.rank) for one in addresses] == [(0, 0), (0, 1), (1, 0), (1, 1)]


async def test_a_task_on_a_terminal_sees_one_of_80_by_24_and_what_it_writes_is_kept_as_it_is(machine):
    task = await machine.ended(await machine.submit([sys.executable, "-c", SEEN], tty=True))
    size = os.terminal_size((80, 24))
    assert (await machine.output(task)).decode() == f"[True, True, True] {size} xterm-256color\na\nb\r\n"


async def test_all_that_was_written_to_a_terminal_before_the_end_is_kept(machine):
    for _ in range(3):
        task = await machine.ended(await machine.submit("seq 20000", tty=True))
        assert await machine.output(task) == b"".join(b"%d\n" % n for n in range(1, 20_001))


async def test_a_container_has_a_terminal_too(machine, engine):
    task = await machine.ended(await machine.submit("[ -t 0 ] && [ -t 2 ] && echo seen >&2", image=IMAGE, tty=True))
    assert (task.exit_code, await machine.output(task)) == (0, b"seen\r\n"), task.message


async def test_a_container_may_have_merged_streams(machine, engine):
    task = await machine.ended(await machine.submit("echo out; echo err >&2", image=IMAGE, streams="merged"))
    assert (task.exit_code, sorted((await machine.output(task)).split())) == (0, [b"err", b"out"]), task.message


def test_a_terminal_has_no_separate_streams():
    with pytest.raises(ConfigError, match="a terminal is one stream"):
        TaskConfig(command="true", tty=True, streams="separate")


def test_a_sidecar_that_is_kept_beside_its_log_goes_on_where_the_last_one_ended(tmp_path):
    files, now = SpoolFiles.at(tmp_path / "rank-0"), iter(range(10, 99))
    files.sidecar.write_bytes(b"cut short")
    for text in (b"one", b"two"):
        sidecar = SidecarWriter(files, lambda: next(now))
        with open(files.log, "ab") as log:
            log.write(text)
        assert [sidecar.note(), sidecar.note()] == [True, False]
        sidecar.close()
    assert [(stamp.offset, stamp.time_us) for stamp in all_stamps(files)] == [(0, 10), (0, 11), (3, 12), (3, 13)]
