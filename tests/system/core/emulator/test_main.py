"""The emulator as a program of its own, with a clock that runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from testbed.command_lines import list_command_lines
from testbed.emulator_account import H100, PUBLIC_KEY, REGION
from testbed.waiting import DEADLINE_S, wait_until

T = TypeVar("T")


@contextmanager
def emulator(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and its line of JSON; its temporary files are in the folder."""
    command = [sys.executable, "-m", "flow_core.emulator", "--seconds-between-prices", "0", *arguments]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def client(details: dict[str, Any]) -> httpx.Client:
    return httpx.Client(
        base_url=details["url"], headers={"Authorization": f"Bearer {details['api_key']}"}, timeout=DEADLINE_S
    )


def test_it_prints_one_line_opens_its_ports_and_leaves_nothing_after_a_signal(tmp_path: Path) -> None:
    with emulator(tmp_path) as (process, details):
        assert details.keys() == {"url", "api_key", "project", "ssh_port"}
        with socket.create_connection(("127.0.0.1", details["ssh_port"]), DEADLINE_S) as connection:
            assert connection.recv(8) == b"SSH-2.0-"  # before there is a machine
        with client(details) as http:
            assert http.get("/v2/projects").json()[0]["fid"] == details["project"]
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE_S) == 0
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


@pytest.mark.needs("user-namespaces")
def test_a_bid_runs_by_itself_and_ends_with_the_emulator(tmp_path: Path) -> None:
    mark = f"{os.getpid()}.{time.time_ns()}"

    def is_marked() -> bool:
        return any(mark.encode() in line for _, line in list_command_lines())

    with emulator(tmp_path, "--seconds-to-allocate", "0.2") as (process, details), client(details) as http:
        project = details["project"]
        bid = place(http, project, f"#!/bin/bash\nexec sleep {mark}\n")
        path = f"/v2/instances?project={project}&status_in=STATUS_RUNNING"
        [row] = wait_until(lambda: http.get(path).json()["data"] or None)
        assert row["bid"] == bid
        wait_until(is_marked)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        wait_until(lambda: not is_marked())
    assert list(tmp_path.iterdir()) == []


def test_it_ends_with_its_parent_and_only_files_of_others_stay_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    read, write = os.pipe()
    command = [sys.executable, "-m", "flow_core.emulator", "--ends-with-stdin", "--folder", str(folder)]
    with subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE, text=True) as process:
        os.close(read)
        assert process.stdout is not None
        with client(json.loads(process.stdout.readline())) as http:
            os.write(write, b"what is written is ignored\n")
            assert http.get("/v2/projects").status_code == 200
            assert any(folder.iterdir())
            (folder / "mine").write_text("words")
            os.close(write)
            assert process.wait(DEADLINE_S) == 0
    assert [path.name for path in folder.iterdir()] == ["mine"]


def run_emulator(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flow_core.emulator", "--ends-with-stdin", *arguments]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_a_folder_that_is_not_empty_is_refused_in_one_sentence_and_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "chapter").write_text("words")
    refused = run_emulator("--folder", str(tmp_path), "--delete-all")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"the emulator can't start: {tmp_path} is not empty; give --folder an empty folder or a new name\n"
    )
    assert (tmp_path / "chapter").read_text() == "words"


def test_a_port_in_use_is_reported_in_one_sentence_and_nothing_stays_in_the_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = run_emulator("--folder", str(tmp_path / "new"), "--port", port)
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1
    assert port in failed.stderr
    assert list(tmp_path.rglob("*")) == []


def test_without_isolation_it_prints_a_warning_and_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_its_extra_one_sentence_says_what_to_install(tmp_path: Path, package: str) -> None:
    missing = f"raise ModuleNotFoundError('No module named {package}', name={package!r})\n"
    (tmp_path / f"{package}.py").write_text(missing, encoding="utf-8")
    command = [sys.executable, "-m", "flow_core.emulator"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=DEADLINE_S, check=False)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "uv tool install '.[fast,emulator]'" in ended.stderr
