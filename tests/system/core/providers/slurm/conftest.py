"""Users of real clusters, and providers that act for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from testbed.rest_lab import RestLab, shared_rest_cluster
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_jobs import MakePoller, opened_pollers
from testbed.slurm_space import User
from testbed.slurm_submits import Submitter
from testbed.slurm_worlds import PlainSlurmWorld, SlurmWorld, shared_cluster
from testbed.worlds import Bench

from flow_core.providers.over_ssh.host_pool import HostPool


@pytest.fixture
def cluster() -> SlurmCluster:
    """The cluster without accounting that the tests share, as it was when it started."""
    cluster = shared_cluster(accounting=False)
    cluster.renew()
    return cluster


@pytest.fixture
def user(cluster: SlurmCluster) -> Iterator[User]:
    """A user of `cluster` whose queue and home are empty."""
    user = cluster.add_user()
    yield user
    cluster.renew()
    cluster.remove_user(user)


@pytest.fixture
def accounted_cluster() -> SlurmCluster:
    """The cluster with accounting that the tests share, as it was when it started."""
    cluster = shared_cluster(accounting=True)
    cluster.renew()
    return cluster


@pytest.fixture
def member(accounted_cluster: SlurmCluster) -> Iterator[User]:
    """A user of the cluster with accounting."""
    user = accounted_cluster.add_user()
    yield user
    accounted_cluster.renew()
    accounted_cluster.remove_user(user)


@pytest.fixture
async def submitter(cluster: SlurmCluster, user: User) -> AsyncIterator[Submitter]:
    """A user of `cluster` who submits through SSH."""
    pool = HostPool()
    yield Submitter(cluster, user, pool)
    await pool.close()


@pytest.fixture
async def make_poller() -> AsyncIterator[MakePoller]:
    async with opened_pollers() as make:
        yield make


@pytest.fixture
async def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The provider of a user of a cluster without accounting, through SSH."""
    async with _opened(PlainSlurmWorld(tmp_path), monkeypatch) as bench:
        yield bench


@pytest.fixture
async def accounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """The provider of a user of a cluster with accounting, through SSH."""
    async with _opened(SlurmWorld(tmp_path), monkeypatch) as bench:
        yield bench


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestLab]:
    """A user of a cluster with accounting, who has only slurmrestd."""
    monkeypatch.chdir(tmp_path)
    cluster = shared_rest_cluster()
    cluster.renew()
    lab = RestLab(cluster, tmp_path)
    yield lab
    await lab.provider.close()
    cluster.renew()
    cluster.remove_user(lab.user)


@asynccontextmanager
async def _opened(world: SlurmWorld, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.chdir(world.folder)
    bench = Bench(world)
    yield bench
    await bench.provider.close()
    world.cluster.renew()
    await world.close()
