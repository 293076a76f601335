"""Flow, Client and Task in ordinary code, over the real local provider."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from testbed.places import ROOT
from testbed.private_loop_calls import count_waits
from testbed.waiting import DEADLINE_S

from flow_core import Client, Flow, NotFound, Task, TaskStatus


def test_a_command_is_run_and_read() -> None:
    with Flow("local") as flow:
        task = flow.submit("echo hello", wait=True)
        assert isinstance(task, Task)
        assert task.status is TaskStatus.COMPLETED
        assert flow.logs(task.task_id) == "hello\n"
        assert list(flow.logs(task.task_id, follow=True)) == ["hello"]
        assert task.logs() == "hello\n"


def test_the_lines_of_a_long_log_come_in_order_and_wait_for_the_private_loop_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f"line {number}" for number in range(1, 20_001)]
    with Flow("local") as flow:
        task = flow.submit("seq -f 'line %.0f' 1 20000", wait=True)
        calls = count_waits(monkeypatch)
        for read in (
            flow.logs(task.task_id, follow=True),
            task.logs(follow=True),
            task.log_stream(),
            flow.log_stream(task.task_id),
        ):
            assert list(read) == lines
    assert len(calls) < 200  # not one for each of 80,000 lines


def test_a_line_is_there_before_the_next_one_is_written(tmp_path: Path) -> None:
    with Flow("local") as flow:
        task = flow.submit(f"echo one; until test -e {tmp_path}/go; do sleep 0.02; done; echo two")
        lines = flow.logs(task.task_id, follow=True)
        assert next(lines) == "one"
        (tmp_path / "go").touch()
        assert list(lines) == ["two"]


def test_the_client_runs_lists_and_cancels() -> None:
    client = Client("local")
    task = client.run(["echo", "a b"], wait=True)
    assert task.logs() == "a b\n"
    assert [one.task_id for one in client.status()] == [task.task_id]
    assert client.status(task.task_id)[0].status == "completed"
    assert client.cancel(task.task_id) is True
    assert client.volumes() == []
    with pytest.raises(NotFound):
        client.cancel("nobody")


def test_a_forked_child_gets_a_loop_of_its_own_and_leaving_is_silent() -> None:
    script = (
        "import os\nfrom flow_core import Flow\nflow = Flow('local')\nassert flow.list_tasks() == []\n"
        "pid = os.fork()\nassert flow.list_tasks() == []\n"
        "if pid: os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_small_client_reserves_and_says_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    reservation_id = Client("local").reserve("a100:2", duration_hours=1, auto_renew=True)
    with Flow("local") as flow:
        (made,) = flow.list_reservations()
        assert (made.id, made.auto_renew) == (reservation_id, True)
        task = flow.run("true", instance_type="a100:2", reservation_id=reservation_id).wait(20)
        assert task.exit_code == 0
        flow.cancel_reservation(reservation_id)
        found = flow.get_reservation(reservation_id)
        assert found is not None
        assert found.status.is_final
