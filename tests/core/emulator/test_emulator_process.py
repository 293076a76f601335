"""The emulator as a program of its own, with a clock that runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from core.emulator.conftest import H100, PUBLIC_KEY, REGION

WITHIN_S = 30
T = TypeVar("T")


@contextmanager
def emulator(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and what it says first; its temporary files lie in the folder."""
    command = [sys.executable, "-m", "flow_core.emulator", "--seconds-between-prices", "0", *arguments]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def client(said: dict[str, Any]) -> httpx.Client:
    return httpx.Client(base_url=said["url"], headers={"Authorization": f"Bearer {said['api_key']}"}, timeout=WITHIN_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_ends_at_a_signal_without_a_trace(tmp_path: Path, number: signal.Signals) -> None:
    with emulator(tmp_path) as (process, said):
        assert said.keys() == {"url", "api_key", "project", "ssh_port"}
        with client(said) as http:
            assert http.get("/v2/projects").json()[0]["fid"] == said["project"]
            process.send_signal(number)
            assert process.wait(WITHIN_S) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert list(tmp_path.iterdir()) == []


def place(http: httpx.Client, project: str, script: str) -> str:
    key = http.post("/v2/ssh-keys", json={"project": project, "name": "k", "public_key": PUBLIC_KEY}).json()["fid"]
    order = {"project": project, "region": REGION, "instance_type": H100, "instance_quantity": 1, "name": "b"}
    launch = {"volumes": [], "ssh_keys": [key], "startup_script": script}
    placed = http.post("/v2/spot/bids", json={**order, "limit_price": "$64", "launch_specification": launch})
    assert placed.json()["status"] == "Open"
    return str(placed.json()["fid"])


def until(condition: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + WITHIN_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.mark.needs("user-namespaces")
def test_a_bid_runs_by_itself_and_ends_with_the_emulator(tmp_path: Path) -> None:
    mark = f"{os.getpid()}.{time.time_ns()}"

    def is_marked() -> bool:
        return any(mark.encode() in line for line in command_lines())

    with emulator(tmp_path, "--seconds-to-allocate", "0.2") as (process, said), client(said) as http:
        project = said["project"]
        bid = place(http, project, f"#!/bin/bash\nexec sleep {mark}\n")
        path = f"/v2/instances?project={project}&status_in=STATUS_RUNNING"
        [row] = until(lambda: http.get(path).json()["data"] or None)
        assert row["bid"] == bid
        until(is_marked)
        process.terminate()
        assert process.wait(WITHIN_S) == 0
        until(lambda: not is_marked())
    assert list(tmp_path.iterdir()) == []


def command_lines() -> Iterator[bytes]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes()
        except OSError:
            pass  # it ended meanwhile


def test_it_ends_with_whoever_started_it_and_its_folder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    read, write = os.pipe()
    command = [sys.executable, "-m", "flow_core.emulator", "--ends-with-stdin", "--folder", str(folder)]
    with subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE, text=True) as process:
        os.close(read)
        assert process.stdout is not None
        with client(json.loads(process.stdout.readline())) as http:
            os.write(write, b"what is said is not listened to\n")
            assert http.get("/v2/projects").status_code == 200
            assert any(folder.iterdir())
            os.close(write)
            assert process.wait(WITHIN_S) == 0
    assert not folder.exists()


def test_where_machines_are_not_isolated_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_EMULATOR_NO_NAMESPACE", "1")
    command = [sys.executable, "-m", "flow_core.emulator"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with client(json.loads(process.stdout.readline())) as http:
            assert http.get("/v2/projects").status_code == 200
        process.terminate()
        [complaint] = process.stderr.read().splitlines()
    assert complaint.startswith("emulator: its machines share this system's files (FLOW_EMULATOR_NO_NAMESPACE")


def test_somebody_can_knock_before_there_is_a_machine(tmp_path: Path) -> None:
    with (
        emulator(tmp_path) as (_, said),
        socket.create_connection(("127.0.0.1", said["ssh_port"]), WITHIN_S) as knocking,
    ):
        assert knocking.recv(8) == b"SSH-2.0-"


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with emulator(tmp_path) as (_, said):
        port = said["url"].rpartition(":")[2]
        command = [sys.executable, "-m", "flow_core.emulator", "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert port in second.stderr
