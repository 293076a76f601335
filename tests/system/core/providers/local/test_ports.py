"""The ports of this machine: reserved by one unfinished task at a time, and told as endpoints."""

from __future__ import annotations

import os
import signal
import socket
import sys

import pytest

from flow_core.agent.port_owner import _is_refused
from flow_core.errors import Conflict
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig

_SERVER = "import http.server, os; http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), None).serve_forever()"


@pytest.fixture
def ports() -> list[int]:
    """Two that nobody uses."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in (one, other)]


@pytest.fixture
def port(ports: list[int]) -> int:
    return ports[0]


async def test_a_running_task_tells_its_endpoints_and_knows_its_ports(machine, ports):
    task = await machine.submit('echo "$FLOW_PORTS <$PORT>"; sleep 300', ports=ports, env={"PORT": ""})
    running = await machine.running(task)
    assert running.endpoints == {str(one): f"http://127.0.0.1:{one}" for one in ports}
    await machine.until(lambda: _log(machine, task), "its output")
    assert _log(machine, task) == f"{ports[0]},{ports[1]} <>\n"
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.ended(task)).endpoints == {}


async def test_a_single_port_is_also_called_port_unless_the_user_says_otherwise(machine, port):
    end = await machine.ended(await machine.submit('echo "$FLOW_PORTS $PORT"', ports=[port]))
    assert await machine.output(end) == b"%d %d\n" % (port, port)
    end = await machine.ended(await machine.submit('echo "$FLOW_PORTS $PORT"', ports=[port], env={"PORT": "1"}))
    assert await machine.output(end) == b"%d 1\n" % port


async def test_a_port_that_somebody_listens_on_is_refused_with_who_does(machine, port):
    with socket.create_server(("127.0.0.1", port)), pytest.raises(Conflict) as caught:
        await machine.submit("true", ports=[port])
    said = f"process {os.getpid()}" if sys.platform == "linux" else "another process"
    assert str(port) in str(caught.value)
    assert said in str(caught.value)
    assert await machine.provider.list_tasks() == ()
    await machine.ended(await machine.submit("true", ports=[port]))


async def test_a_port_that_is_listened_on_everywhere_is_refused_too(machine, port):
    with socket.create_server(("", port)), pytest.raises(Conflict):
        await machine.submit("true", ports=[port])


def test_without_a_list_of_listeners_a_port_that_cannot_be_had_counts_as_listened_on(port):
    assert not _is_refused(port)
    for host in ("", "127.0.0.1"):
        with socket.create_server((host, port)):
            assert _is_refused(port)


async def test_a_port_reserved_by_an_unfinished_task_of_any_context_is_refused_with_its_name(machine, port):
    await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    queued = await machine.submit("true", instance_type="a100", ports=[port])
    other = machine.open("other")
    with pytest.raises(Conflict, match=rf"{port} is reserved by task {queued.task_id} of context 'local' \(pending\)"):
        await other.submit(TaskConfig.parse({"command": "true", "ports": [port]}))
    assert await other.list_tasks() == ()
    await machine.provider.cancel_task(queued.task_id)
    await machine.ended(queued)
    await other.submit(TaskConfig.parse({"command": "true", "ports": [port]}))


async def test_a_refusal_of_one_port_promises_none(machine, ports):
    port, other = ports
    holder = await machine.running(await machine.submit("sleep 300", ports=[port]))
    with pytest.raises(Conflict, match=holder.task_id):
        await machine.submit("true", ports=[other, port])
    await machine.ended(await machine.submit("true", ports=[other]))


async def test_a_submit_that_fails_later_gives_its_ports_back(machine, port, monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    with monkeypatch.context() as context:
        context.setattr(sys, "executable", str(broken))
        with pytest.raises(Exception, match="supervisor did not start"):
            await machine.submit("true", ports=[port])
    await machine.ended(await machine.submit("true", ports=[port]))


async def test_a_lost_task_gives_its_ports_back_though_nobody_looked_at_it(machine, port):
    other = machine.open("other")
    lost = await other.submit(TaskConfig.parse({"command": "exec sleep 300", "ports": [port]}))
    await machine.until(lambda: machine.record(lost, "state").get("status") == "running", "it runs")
    os.kill(machine.supervisor(lost), signal.SIGKILL)
    await machine.kill_all(lost)
    assert (await machine.ended(await machine.submit("true", ports=[port]))).status is TaskStatus.COMPLETED


async def test_a_task_that_served_can_be_followed_by_another_on_the_same_port(machine, port):
    for _ in range(2):
        task = await machine.running(await machine.submit([sys.executable, "-c", _SERVER], ports=[port]))
        await machine.until(lambda: _answers(port), "the server answers")
        await machine.provider.cancel_task(task.task_id)
        assert (await machine.ended(task)).status is TaskStatus.CANCELLED


def _log(machine, task) -> str:
    (found,) = machine.home.glob(f"state/local/*/contexts/*/tasks/{task.task_id}/attempt-0/rank-0.log")
    return found.read_text()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
