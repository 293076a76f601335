"""The blocking facade in whole programs: their end, their signals, their forks, and a thousand calls."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testbed.local_tasks import running_task
from testbed.places import ROOT
from testbed.waiting import wait_until

from flow_core import Flow, NotFound, ReservationStatus, Task, TaskStatus, User
from flow_core.sync.loop_thread import iter_sync, private_loop, run_sync

BEGIN = """\
import os, sys, time, threading
from flow_core import Flow, AsyncFlow, FlowError, TaskStatus
flow = Flow("local")
own = "echo first; exec sleep 600"
task = flow.get_task(sys.argv[1]) if sys.argv[1] else flow.submit(own).wait_until_started(20)
lines = flow.logs(task.task_id, follow=True)
assert next(lines) == "first"
def say(*words): print(*words, flush=True)
"""


@pytest.fixture
def flow() -> Iterator[Flow]:
    with Flow("local") as opened:
        yield opened


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    state = tmp_path_factory.mktemp("shared")
    with running_task(state, "echo first; exec sleep 600", FLOW_LOCAL_GPUS="a100:1") as task_id:
        yield state, task_id


@pytest.fixture
def running(_shared: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a running task, which holds the only GPU. The tests of this file share it, and end it never."""
    state, task_id = _shared
    monkeypatch.setenv("FLOW_STATE_DIR", str(state))
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:1")
    return task_id


def start(script: str, task_id: str = "") -> subprocess.Popen[str]:
    """A program of its own, in a session of its own: a signal to its group reaches no test.

    It follows the log of that task, or of one that it submits.
    """
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", BEGIN + script, task_id],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(program: subprocess.Popen[str], timeout_s: float = 30) -> tuple[int, str, str]:
    """Returns the exit code, the output and the errors of the program."""
    try:
        output, errors = program.communicate(timeout=timeout_s)
    finally:
        program.kill()
    return program.returncode, output, errors


LEAVING = {
    "from within a loop": "for line in flow.logs(task.task_id, follow=True): sys.exit(0)",
    "with a log open and a wait in other threads": (
        "def read(): list(flow.logs(task.task_id, follow=True))\n"
        "for work in (read, task.wait): threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.2)"
    ),
    "with a log in a circle and one in a module that goes last": (
        "circle = [flow.logs(task.task_id, follow=True)]\nnext(circle[0])\ncircle.append(circle)\ndel circle\n"
        "import builtins\nbuiltins.kept = lines"
    ),
    "with calls at exit": "import atexit\natexit.register(lambda: (flow.get_task(task.task_id), flow.close()))",
    "closed by its context": "with flow: pass",
}


@pytest.mark.parametrize("how", LEAVING)
def test_a_program_ends_at_once_and_prints_nothing(how: str, running: str) -> None:
    program = start("say('last')\n" + LEAVING[how], running)
    assert program.stdout is not None
    program.stdout.readline()
    since = time.monotonic()
    code, _, errors = end(program)
    assert (code, errors) == (0, "")
    assert time.monotonic() - since < 4.5  # to settle what is open may take 5


def test_a_call_while_python_ends_is_refused_in_one_sentence(running: str) -> None:
    asked_late = """
class Late:
    def __del__(self):
        try:
            flow.status(task.task_id)
        except FlowError as error:
            say(error)
import builtins
builtins.late = Late()
builtins.kept = (flow, task, FlowError, say)
"""
    code, output, errors = end(start(asked_late, running))
    assert (code, output, errors) == (0, "Python is ending; no call is possible any more\n", "")


CALLS = {
    "following": "for line in flow.logs(task.task_id, follow=True): pass",
    "waiting": "task.wait()",
    "waiting for the start": "flow.submit('true', gpu='a100').wait_until_started()",
    "in a shell": "flow.shell(task.task_id, command='sleep 600')",
}


@pytest.mark.parametrize("doing", CALLS)
def test_ctrl_c_ends_a_program_by_its_own_traceback_and_no_task(doing: str, running: str, flow: Flow) -> None:
    program = start("say('ready')\n" + CALLS[doing], running)
    assert program.stdout is not None
    program.stdout.readline()
    until_it_waits(program.pid)
    os.killpg(program.pid, signal.SIGINT)
    code, _, errors = end(program, 10)
    assert code == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")
    assert errors.count("Traceback") == 1, errors
    for noise in ("ignored", "destroyed", "never retrieved", "CancelledError"):
        assert noise not in errors
    assert flow.get_task(running).is_running


def test_ctrl_c_reaches_a_call_within_another_loop(running: str) -> None:
    program = start("import asyncio\nasync def main(): task.wait()\nsay('ready')\nasyncio.run(main())", running)
    assert program.stdout is not None
    program.stdout.readline()
    until_it_waits(program.pid)
    os.killpg(program.pid, signal.SIGINT)
    code, _, errors = end(program, 10)
    assert code == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")


def until_it_waits(pid: int) -> None:
    """Until its main thread has been asleep for a while: there is no other way to see from outside that it waits."""
    asleep_since = time.monotonic()
    deadline = asleep_since + 30
    while time.monotonic() - asleep_since < 0.2:
        assert time.monotonic() < deadline
        if sys.platform == "linux" and b"State:\tS" not in Path(f"/proc/{pid}/status").read_bytes():
            asleep_since = time.monotonic()
        time.sleep(0.02)


def test_it_works_in_a_notebook_where_a_loop_already_runs(running: str) -> None:
    script = """
import asyncio
async def cell():
    assert flow.get_task(task.task_id).is_running
    for line in flow.logs(task.task_id, follow=True):
        break
    await asyncio.sleep(0)
    async with AsyncFlow("local") as other:
        return (await other.get_task(task.task_id)).task_id == task.task_id
say(asyncio.run(cell()))
"""
    assert end(start(script, running)) == (0, "True\n", "")


def test_a_fork_leaves_parent_and_child_a_flow_of_their_own_also_while_a_log_is_open() -> None:
    script = """
stop = threading.Event()
def read(): [flow.get_task(task.task_id) for _ in iter(stop.is_set, True)]
readers = [threading.Thread(target=read) for _ in range(4)]
[reader.start() for reader in readers]
for number in range(8):
    child = os.fork()
    if child == 0:
        assert flow.get_task(task.task_id).is_running
        assert next(flow.logs(task.task_id, follow=True)) == "first"
        del lines
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop.set()
[reader.join() for reader in readers]
flow.cancel(task.task_id)
say(list(lines), task.wait(20).status)
"""
    code, output, errors = end(start(script), 40)
    assert (code, output, errors) == (0, "[] cancelled\n", "")


def ask_from_elsewhere(context: str, task_id: str) -> str:
    return Flow(context).status(task_id)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_other_processes_may_call_too(running: str, flow: Flow, method: str) -> None:
    assert flow.get_task(running).is_running
    with multiprocessing.get_context(method).Pool(2 if method == "fork" else 1) as pool:
        answers = [pool.apply_async(ask_from_elsewhere, ("local", running)) for _ in range(4)]
        assert {answer.get(30) for answer in answers} == {"running"}


def test_eight_threads_may_mix_their_calls(flow: Flow) -> None:
    def work(number: int) -> TaskStatus:
        task = flow.submit(f"echo from {number}; sleep 0.05")
        assert task.task_id in [one.task_id for one in flow.list_tasks(limit=1000)]
        assert list(task.log_stream()) == [f"from {number}"]
        with pytest.raises(NotFound):
            flow.get_task("nobody")
        volume = flow.create_volume(1, name=f"volume-{number}")
        flow.delete_volume(volume.volume_id)
        return task.wait(20).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {TaskStatus.COMPLETED}
    assert flow.list_volumes() == []


def test_a_flow_made_in_one_thread_is_used_in_another() -> None:
    made: list[Flow] = []
    maker = threading.Thread(target=lambda: made.append(Flow("local")))
    maker.start()
    maker.join()
    assert made[0].list_tasks() == []
    closer = threading.Thread(target=made[0].close)
    closer.start()
    closer.join()


def test_hundreds_of_calls_leak_nothing(running: str, flow: Flow) -> None:
    task = flow.get_task(running)

    def round_of_calls() -> None:
        flow.get_task(task.task_id)
        flow.list_tasks()
        task.refresh()
        task.logs()
        for line in flow.logs(task.task_id, follow=True):
            assert line == "first"
            break

    for _ in range(10):
        round_of_calls()
    gc.collect()
    before = held()
    for _ in range(60):
        round_of_calls()
    gc.collect()
    after = held()
    assert after[:3] == before[:3]
    assert after[3] - before[3] < 4 << 20


def held() -> tuple[int, int, int, int]:
    """Open descriptors, threads, tasks on the private loop, and bytes of memory (0 where nobody says).

    Leaves out the threads of the loop's pool, which is bounded and may still grow on a busy machine.
    """
    import asyncio

    descriptors = len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return (
        descriptors,
        sum(not thread.name.startswith("flow_core_") for thread in threading.enumerate()),
        len(asyncio.all_tasks(private_loop())),
        pages * os.sysconf("SC_PAGE_SIZE"),
    )


def test_an_unfinished_iterator_that_is_forgotten_closes_its_log(running: str, flow: Flow) -> None:
    next(flow.logs(running, follow=True))
    before = held()[0]
    for _ in range(5):
        lines = flow.logs(running, follow=True)
        next(lines)
        circle = [lines]
        circle.append(circle)  # type: ignore[arg-type]
    del lines, circle
    gc.collect()
    wait_until(lambda: held()[0] == before)


def test_an_iterator_that_is_forgotten_on_the_loop_itself_is_closed_too() -> None:
    closed = threading.Event()

    async def numbers():  # type: ignore[no-untyped-def]
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async def forget(kept: list[Iterator[int]]) -> None:
        kept.pop().close()  # type: ignore[attr-defined]  # what the garbage collector does to it

    stream = iter_sync(numbers())
    next(stream)
    kept = [stream]
    del stream
    run_sync(forget(kept))
    assert closed.wait(5)


def test_results_can_be_pickled(flow: Flow) -> None:
    task = flow.submit("true").wait(20)
    assert isinstance(task, Task)
    volume = flow.create_volume(1)
    (offer, *_) = flow.find_instances({})
    for value in (task.record, task.status, volume, offer, User("me"), ReservationStatus.ACTIVE, task.to_dict()):
        assert pickle.loads(pickle.dumps(value)) == value
