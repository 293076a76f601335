"""Tasks on a real OpenSSH server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from testbed.far_tasks import Far
from testbed.sshd import Sshd

from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.ssh.host import SshHost


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path / "sshd")
    sshd.start()
    yield sshd
    sshd.stop()


@pytest.fixture
async def pool() -> AsyncIterator[HostPool]:
    pool = HostPool()
    yield pool
    await pool.close()


@pytest.fixture
async def host(sshd: Sshd, pool: HostPool) -> SshHost:
    return await pool.find("far", config=sshd.config())


@pytest.fixture
def far(host: SshHost, tmp_path: Path) -> Far:
    return Far(host, tmp_path / "tasks of it")
