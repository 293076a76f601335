"""Logs that grow on a real OpenSSH server, and their spools here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.far_tasks import CONTEXT, Far, until

from flow_core.logs.address import LogAddress
from flow_core.providers.over_ssh.logs import SpooledLogs

pytestmark = pytest.mark.needs("sshd")
TRAIN = LogAddress(CONTEXT, "train")


@pytest.fixture
async def logs(far: Far, tmp_path: Path) -> AsyncIterator[SpooledLogs]:
    logs = SpooledLogs(far, tmp_path / "spools")
    yield logs
    await logs.aclose()


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def test_what_stands_there_is_caught_up_with_and_what_comes_is_added(far: Far, logs: SpooledLogs) -> None:
    far.start()
    append(far.log(), b"one\n\0\xff")
    files = await logs.open(TRAIN)
    await logs.catch_up(TRAIN)
    assert files.log.read_bytes() == b"one\n\0\xff"
    append(far.log(), b"two\n")
    await until(lambda: files.log.read_bytes() == b"one\n\0\xfftwo\n")
    assert not await logs.is_complete(TRAIN)
    far.ended.add("train")
    append(far.log(), b"the end\n")
    await until(lambda: logs.is_complete(TRAIN))
    assert files.log.read_bytes() == b"one\n\0\xfftwo\nthe end\n"
