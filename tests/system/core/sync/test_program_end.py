"""Programs that end, are interrupted or fork while something of theirs still runs on another machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from testbed.cloud import Cloud
from testbed.places import ROOT
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S
from testbed.worlds import hosts_context

from flow_core import Flow
from flow_core.config import Context
from flow_core.models.task_config import TaskConfig

BEGIN = """\
import os, sys, threading
from pathlib import Path
from flow_core import Flow, FlowError
from flow_core.config import Context
flow = Flow(Context(sys.argv[1], sys.argv[1], eval(sys.argv[2])))
def say(*words): print(*words, flush=True)
"""
RUNNING = "task = flow.list_tasks()[0]\n"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host with one running task, which no test ends."""
    sshd = Sshd(tmp_path_factory.mktemp("far"))
    sshd.start()
    with open_flow(sshd) as flow:
        flow.run(TaskConfig(command="echo first; exec sleep 600", upload_code=False), wait=True)
    yield sshd
    with open_flow(sshd) as flow:
        for task in flow.list_tasks():
            flow.cancel(task.task_id)
    sshd.stop()


@contextmanager
def open_flow(sshd: Sshd) -> Iterator[Flow]:
    """The host from a home of its own: a fixture of the module sees that of no test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "FLOW_STATE_DIR"):
            patch.setenv(name, str(sshd.folder))
        with Flow(hosts_context(sshd, name="hosts")) as flow:
            yield flow


@pytest.fixture
def lab(far: Sshd) -> Context:
    return hosts_context(far, name="hosts")


@pytest.fixture
def mithril() -> Iterator[Context]:
    cloud = Cloud()
    yield cloud.context
    cloud.close()


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Context:
    found: Context = request.getfixturevalue(request.param)
    return found


def start(context: Context, script: str, begin: str = BEGIN) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", begin + script, context.provider, repr(dict(context.settings))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(program: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, what it printed on stderr)."""
    try:
        _, complained = program.communicate(timeout=DEADLINE_S)
    finally:
        program.kill()
    return program.returncode, complained


OPEN_LOG = "lines = flow.logs(task.task_id, follow=True); say(next(lines))\n"
LEAVING = {
    "after a log was read": "say(flow.logs(task.task_id))",
    "with two logs and metrics open": (
        OPEN_LOG + "started = threading.Event()\n"
        "def read(): [started.set() for line in flow.logs(task.task_id, follow=True)]\n"
        "threading.Thread(target=read, daemon=True).start(); started.wait(30)\n"
        "samples = flow.task_metrics(task.task_id); next(samples)"
    ),
}


@pytest.mark.needs("sshd")
@pytest.mark.parametrize("how", LEAVING)
def test_a_program_that_uses_a_host_prints_nothing_at_its_end(lab: Context, how: str) -> None:
    assert end(start(lab, RUNNING + LEAVING[how])) == (0, "")


def test_a_thread_that_asks_while_python_ends_prints_nothing() -> None:
    late = """\
import atexit, threading
is_over = threading.Event()
def ask():
    is_over.wait()
    flow.list_tasks()
def at_exit():
    is_over.set()
    thread.join(0.5)
atexit.register(at_exit)
"""
    thread = "thread = threading.Thread(target=ask, daemon=True)\nthread.start()\n"
    assert end(start(Context("local", "local"), thread, begin=late + BEGIN)) == (0, "")


@pytest.mark.needs("sshd")
def test_ctrl_c_prints_one_traceback_also_where_the_answer_was_an_error(lab: Context) -> None:
    ctrl_c = "say('ready')\nfor line in flow.logs(task.task_id, follow=True): say(line)"
    program = start(lab, RUNNING + OPEN_LOG + ctrl_c)
    assert program.stdout is not None
    assert [program.stdout.readline() for _ in range(3)] == ["first\n", "ready\n", "first\n"]
    os.killpg(program.pid, signal.SIGINT)
    code, complained = end(program)
    assert code == -signal.SIGINT
    assert complained.count("Traceback") == 1, complained
    assert complained.endswith("KeyboardInterrupt\n")


def test_an_error_of_cancelled_work_is_not_printed() -> None:
    script = """\
import asyncio, gc, os, signal
from flow_core.sync.loop_thread import run_sync
async def stubborn():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("while it was cancelled") from None
try:
    run_sync(stubborn())
except KeyboardInterrupt:
    gc.collect()
"""
    assert end(start(Context("local", "local"), script)) == (0, "")


def test_ctrl_c_while_a_call_is_handed_over_lets_it_clean_up_on_its_loop() -> None:
    script = """\
import asyncio, os, signal
from flow_core.sync import loop_thread
loop = loop_thread.private_loop()
wake, begun, cleaned = loop._write_to_self, threading.Event(), []
def interrupted():
    wake()
    if threading.current_thread() is threading.main_thread():
        loop._write_to_self = wake
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
loop._write_to_self = interrupted
async def work():
    begun.set()
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        cleaned.append(threading.current_thread().name)
try:
    loop_thread.run_sync(work())
except KeyboardInterrupt:
    sys.exit(7 if cleaned == ["flow_core"] else 8)
"""
    assert end(start(Context("local", "local"), script)) == (7, "")


@pytest.mark.needs("sshd")
@pytest.mark.parametrize("context", ["lab", "mithril"], indirect=True)
def test_a_forked_child_may_use_the_flow_of_its_parent(context: Context) -> None:
    script = """\
flow.list_tasks()
keys = flow.get_ssh_tunnel_manager()
for _ in range(2):
    child = os.fork()
    if child == 0:
        flow.list_tasks()
        keys.list()
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    flow.list_tasks()
"""
    assert end(start(context, script)) == (0, "")


def test_a_stream_of_the_parent_is_refused_in_a_forked_child() -> None:
    script = """\
task = flow.submit("echo first; exec sleep 60")
lines = flow.logs(task.task_id, follow=True)
next(lines)
child = os.fork()
if child == 0:
    try:
        next(lines)
    except FlowError as error:
        sys.exit(7 if "belongs to the process that opened it" in str(error) else 8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
flow.cancel(task.task_id)
assert list(lines) == []
"""
    assert end(start(Context("local", "local"), script)) == (0, "")
