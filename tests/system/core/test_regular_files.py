"""What took the place of a file is named, and nothing waits for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from testbed.tables import each

from flow_core import Flow
from flow_core.agent.regular_files import read_regular_file
from flow_core.errors import ProviderError


@pytest.fixture(params=["folder", "pipe", "socket", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "here"
    if request.param == "folder":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path = Path("/dev/zero")
    return request.param, path


def test_something_else_than_a_file_is_refused_at_once_and_named(no_file: tuple[str, Path]) -> None:
    kind, path = no_file
    with pytest.raises(OSError, match="No such device" if kind == "socket" else f"it is a {kind}, not a file"):
        read_regular_file(path)


@each("kind", ["folder", "pipe"])
def test_a_log_that_is_no_file_is_an_error_in_one_sentence(kind: str) -> None:
    with Flow() as flow:
        task = flow.submit("echo done")
        task.wait()
        log = Path(str(flow.get_task(task.task_id).provider_metadata["folder"])) / "attempt-0" / "rank-0.log"
        log.unlink()
        log.mkdir() if kind == "folder" else os.mkfifo(log)
        with pytest.raises(ProviderError, match=rf"the log rank-0\.log can't be read: it is a {kind}, not a file"):
            flow.logs(task.task_id)
        with pytest.raises(ProviderError, match=rf"it is a {kind}, not a file"):
            list(flow.logs(task.task_id, follow=True))
